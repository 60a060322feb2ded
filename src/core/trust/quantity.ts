const msOfUnit: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const bytesOfUnit: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 }

/** Returns the milliseconds of a duration such as `30d`, Infinity for `never`, or undefined where it is none. */
export function parseDuration(text: string): number | undefined {
  if (text === 'never') return Infinity
  const match = /^(0|[1-9][0-9]{0,6})([smhd])$/.exec(text)
  return match === null ? undefined : Number(match[1]) * (msOfUnit[match[2] as string] as number)
}

/** Returns the bytes of a size such as 65535 or `20GiB`, or undefined where it is none or over 2^53 - 1. */
export function parseSize(size: number | string): number | undefined {
  if (typeof size === 'number') return Number.isSafeInteger(size) && size >= 0 ? size : undefined
  const match = /^(0|[1-9][0-9]{0,8})(KiB|MiB|GiB|TiB)$/.exec(size)
  const bytes = match === null ? Number.NaN : Number(match[1]) * (bytesOfUnit[match[2] as string] as number)
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

function daysOfMonth(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

/** Days from 1970-01-01; the year is counted from March, so that the leap day is its last. */
function dayNumber(year: number, month: number, day: number): number {
  const y = month > 2 ? year : year - 1
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1
  return y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468
}

/** Returns the Unix milliseconds of `2026-01-01`, its first moment in UTC, or `2026-01-01T12:00:00Z`; undefined where there is no such day. */
export function parseInstant(text: string): number | undefined {
  const match = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)Z)?$/.exec(text)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1).map((digits) => Number(digits ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number
  ]
  if (month < 1 || month > 12 || day < 1 || day > daysOfMonth(year, month) || hour > 23 || minute > 59 || second > 59)
    return undefined
  return ((dayNumber(year, month, day) * 24 + hour) * 60 + minute) * 60_000 + second * 1000
}

const dayTime = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|[+-]\d\d:?\d\d)$/
const day = /^(\d{4})-(\d\d)-(\d\d)$/
const daysOfMonth: readonly number[] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

function isDay(month: number, date: number): boolean {
  return month >= 1 && month <= 12 && date >= 1 && date <= (daysOfMonth[month - 1] as number)
}

function isDate(text: string): boolean {
  const match = day.exec(text)
  return match !== null && isDay(Number(match[2]), Number(match[3]))
}

function isDateTime(text: string): boolean {
  const match = dayTime.exec(text)
  return (
    match !== null &&
    isDay(Number(match[2]), Number(match[3])) &&
    Number(match[4]) < 24 &&
    Number(match[5]) < 60 &&
    Number(match[6]) < 61
  )
}

/** Real SBOMs hold `git+https://…` and worse; the strict grammars of RFC 3986 and 3987 refuse much of it. Only what no reference has is a fault. */
function isReference(text: string): boolean {
  return !/[\u0000-\u0020\u007f<>"{}|\\^`]/.test(text)
}

function isAbsolute(text: string): boolean {
  return /^[A-Za-z][A-Za-z0-9+.-]*:/.test(text) && isReference(text)
}

function isEmail(text: string): boolean {
  return text.length < 1000 && /^[^\s@]+@[^\s@]+$/.test(text)
}

/** The formats that the shipped schemas name, tolerant where the world is; unknown ones accept everything. */
export const schemaFormats: Readonly<Record<string, (text: string) => boolean>> = {
  'date-time': isDateTime,
  date: isDate,
  uri: isAbsolute,
  iri: isAbsolute,
  'uri-reference': isReference,
  'iri-reference': isReference,
  email: isEmail,
  'idn-email': isEmail,
  string: () => true
}

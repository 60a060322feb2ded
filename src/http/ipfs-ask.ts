import { base32 } from 'multiformats/bases/base32'
import { base36 } from 'multiformats/bases/base36'
import { base58btc } from 'multiformats/bases/base58'
import { CID } from 'multiformats/cid'
import { RejoinError } from '../core/index.ts'

/** What a request to the gateway wants of a CID. */
export type IpfsWant =
  | { readonly kind: 'raw' }
  | {
      readonly kind: 'car'
      readonly dups: boolean
      readonly scope: 'block' | 'entity' | 'all'
      readonly bytes: EntityBytes | undefined
    }

/** The bytes of a file that an `entity-bytes` parameter asks for, both included; below 0 counted from the end. */
export interface EntityBytes {
  readonly first: number
  /** undefined for `*`, the last byte */
  readonly last: number | undefined
}

/** The query of a request, as far as it matters here. */
export type IpfsQuery = Readonly<Record<string, string | readonly string[] | undefined>>

const rawType = 'application/vnd.ipld.raw'
const carType = 'application/vnd.ipld.car'

function bad(what: string, hint?: string): RejoinError {
  return new RejoinError('E_USAGE', what, hint === undefined ? {} : { hint })
}

/** Returns the CID of a path in any of its spellings. @throws E_USAGE where it is none */
export function cidOf(text: string): CID {
  try {
    if (text.length > 200) throw new Error('too long')
    return CID.parse(text, base32.decoder.or(base58btc.decoder).or(base36.decoder)).toV1() as CID
  } catch (cause) {
    throw new RejoinError('E_USAGE', `${JSON.stringify(text.slice(0, 80))} is no CID`, { cause })
  }
}

/**
 * Returns what is wanted, by the query first and then by the Accept header; undefined where the header names only what is not served here.
 * @throws E_USAGE for a parameter that means nothing, and where neither says anything
 */
export function wantOf(query: IpfsQuery, accept: string | undefined): IpfsWant | undefined {
  const { format } = query
  if (format !== undefined && format !== 'raw' && format !== 'car') throw bad('format is raw or car here')
  const types =
    format === undefined ? acceptedTypes(accept) : [{ type: format === 'raw' ? rawType : carType, params: carParamsIn(accept) }]
  if (types.length === 0) throw bad('say what is wanted', 'add ?format=raw or ?format=car, or an Accept header')
  for (const { type, params } of types) {
    if (type === rawType) return { kind: 'raw' }
    const want = type === carType ? carWant(query, params) : undefined
    if (want !== undefined) return want
  }
  return undefined
}

interface Accepted {
  readonly type: string
  readonly params: ReadonlyMap<string, string>
}

/** Types by preference; `*` and `text/html`, which browsers send, say nothing. */
function acceptedTypes(accept: string | undefined): readonly Accepted[] {
  return (accept ?? '')
    .slice(0, 1000)
    .split(',')
    .map((one) => {
      const [type = '', ...rest] = one.split(';').map((part) => part.trim().toLowerCase())
      const params = new Map(rest.map((part) => part.split('=', 2) as [string, string]))
      return { type, params, quality: Number(params.get('q') ?? 1) }
    })
    .filter(({ type, quality }) => type !== '' && type !== '*/*' && type !== 'application/*' && quality > 0)
    .toSorted((a, b) => b.quality - a.quality)
}

function carParamsIn(accept: string | undefined): ReadonlyMap<string, string> {
  return acceptedTypes(accept).find(({ type }) => type === carType)?.params ?? new Map()
}

function carWant(query: IpfsQuery, params: ReadonlyMap<string, string>): IpfsWant | undefined {
  const inQuery = (name: string, known: readonly string[]): string | undefined => {
    const value = query[name]
    if (value === undefined) return undefined
    if (typeof value !== 'string' || !known.includes(value)) throw bad(`${name} is ${known.join(' or ')} here`)
    return value
  }
  const version = inQuery('car-version', ['1']) ?? params.get('version') ?? '1'
  const order = inQuery('car-order', ['dfs', 'unk']) ?? params.get('order') ?? 'dfs'
  const dups = inQuery('car-dups', ['y', 'n']) ?? params.get('dups') ?? 'n'
  if (version !== '1' || (order !== 'dfs' && order !== 'unk') || (dups !== 'y' && dups !== 'n')) return undefined
  const scope = inQuery('dag-scope', ['block', 'entity', 'all']) ?? 'all'
  const bytes = entityBytes(query['entity-bytes'])
  return { kind: 'car', dups: dups === 'y', scope: scope as 'block' | 'entity' | 'all', bytes }
}

function entityBytes(text: IpfsQuery[string]): EntityBytes | undefined {
  if (text === undefined) return undefined
  const { first, last } = /^(?<first>-?\d{1,15}):(?<last>-?\d{1,15}|\*)$/.exec(typeof text === 'string' ? text : '')?.groups ?? {}
  if (first === undefined || last === undefined) throw bad('entity-bytes is FIRST:LAST, two numbers, or FIRST:*')
  return { first: Number(first), last: last === '*' ? undefined : Number(last) }
}

/** Returns which bytes [from, to) of a file are asked for; undefined where there are none of them. */
export function spanOfEntity(
  { first, last }: EntityBytes,
  sizeBytes: number
): { readonly from: number; readonly to: number } | undefined {
  const from = Math.max(0, first < 0 ? sizeBytes + first : first)
  const to = Math.min(sizeBytes, (last === undefined ? sizeBytes - 1 : last < 0 ? sizeBytes + last : last) + 1)
  return from < to ? { from, to } : undefined
}

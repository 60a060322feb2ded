import { equal, utf8 } from '../bytes.ts'
import { codeOf, RejoinError } from '../error.ts'
import { parsePublicKey, type PublicKey } from '../key.ts'
import { type CosignerKey, type Cosignature, parseCosignerKey, verifiedCosignatures } from './cosignature.ts'
import { type Note, verifyNote } from './note.ts'
import { parseVerifierKey, type VerifierKey } from './vkey.ts'

/** A policy is never longer than this: 32 witnesses with ML-DSA-44 keys take 57 kB. */
export const maxPolicyBytes: number = 256 * 1024
const maxDefinitionCount = 1024

/** A group of witnesses and groups: it has witnessed what at least `threshold` of its members have. */
export interface WitnessGroup {
  readonly name: string
  readonly threshold: number
  readonly members: readonly string[]
}

/**
 * A C2SP tlog-policy. Its text, for example:
 * `log <vkey>\nwitness w1 <vkey>\nwitness w2 <vkey>\nwitness w3 <vkey>\ngroup site 2 w1 w2 w3\nquorum site\n`.
 */
export interface TlogPolicy {
  /** keys of the logs that it is for, of type 1, 4 or 6; none: of any log */
  readonly logs: readonly VerifierKey[]
  readonly witnesses: ReadonlyMap<string, CosignerKey>
  readonly groups: ReadonlyMap<string, WitnessGroup>
  /** name of a witness or group, or `none` */
  readonly quorum: string
}

/** What the cosignatures on a checkpoint are worth. */
export interface Quorum {
  readonly met: boolean
  /** the policy's names of the witnesses whose cosignatures verify, in the policy's order */
  readonly names: readonly string[]
  /** the newest time among them, Unix milliseconds; 0 where there is none */
  readonly newestMs: number
  /** the newest time at which the quorum, and not only one witness of it, had seen the checkpoint; 0 where it is not met or `none` */
  readonly quorumMs: number
}

interface Draft {
  readonly logs: VerifierKey[]
  readonly witnesses: Map<string, CosignerKey>
  readonly groups: Map<string, WitnessGroup>
  readonly used: Set<string>
  quorum: string | undefined
}

function fail(message: string, hint?: string): never {
  throw new RejoinError('E_TRUST_FILE', message, hint === undefined ? {} : { hint })
}

function shown(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
}

function isDefined(draft: Draft, name: string): boolean {
  return draft.witnesses.has(name) || draft.groups.has(name)
}

function newName(draft: Draft, name: string): string {
  if (name === 'none') fail('the name none is taken: it means no witness at all')
  if (isDefined(draft, name)) fail(`${shown(name)} is defined twice`)
  return name
}

function knownName(draft: Draft, name: string): string {
  if (!isDefined(draft, name))
    fail(`${shown(name)} is not defined above`, 'define a witness or group before the line that names it')
  return name
}

function addLog(draft: Draft, [vkey, url, ...rest]: readonly string[]): void {
  if (vkey === undefined || rest.length > 0) fail('a log line is: log <vkey> [<url>]')
  checkUrl(url)
  const key = parseVerifierKey(vkey)
  if (key.type === 1) parsePublicKey(key.publicKey)
  else parseCosignerKey(vkey)
  if (draft.logs.some(({ publicKey }) => equal(publicKey, key.publicKey))) fail('the key of this log is there twice')
  draft.logs.push(key)
}

function addWitness(draft: Draft, [name, vkey, url, ...rest]: readonly string[]): void {
  if (name === undefined || vkey === undefined || rest.length > 0) fail('a witness line is: witness <name> <vkey> [<url>]')
  checkUrl(url)
  newName(draft, name)
  const key = parseCosignerKey(vkey)
  for (const [other, { publicKey }] of draft.witnesses)
    if (equal(publicKey, key.publicKey)) fail(`the witness ${shown(name)} has the key of ${shown(other)}`)
  draft.witnesses.set(name, key)
}

function checkUrl(url: string | undefined): void {
  if (url !== undefined && !/^[a-z][a-z0-9+.-]*:\S+$/i.test(url)) fail(`${shown(url)} is no URL`)
}

function addGroup(draft: Draft, [name, threshold, ...members]: readonly string[]): void {
  if (name === undefined || threshold === undefined || members.length === 0)
    fail('a group line is: group <name> all|any|<number> <name>…')
  newName(draft, name)
  for (const member of members) {
    if (member === 'none') fail('none can not be a member of a group')
    knownName(draft, member)
    if (draft.used.has(member))
      fail(`${shown(member)} is a member of a group twice`, 'each witness and group counts in one place only')
    draft.used.add(member)
  }
  const words: Readonly<Record<string, number>> = { all: members.length, any: 1 }
  const count = Object.hasOwn(words, threshold) ? words[threshold] : /^[1-9][0-9]{0,3}$/.test(threshold) ? Number(threshold) : 0
  if (count === undefined || count < 1 || count > members.length)
    fail(`the threshold ${shown(threshold)} is neither all, any nor a number from 1 to ${members.length}`)
  draft.groups.set(name, { name, threshold: count, members })
}

function setQuorum(draft: Draft, [name, ...rest]: readonly string[]): void {
  if (name === undefined || rest.length > 0) fail('a quorum line is: quorum <name>')
  if (draft.quorum !== undefined) fail('there is a quorum line already')
  draft.quorum = name === 'none' ? name : knownName(draft, name)
}

function addLine(draft: Draft, line: string): void {
  if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(line)) fail('a control character')
  const [keyword, ...items] = line.split(/[ \t]+/).filter((item) => item !== '')
  if (keyword === undefined || keyword.startsWith('#')) return
  if (draft.logs.length + draft.witnesses.size + draft.groups.size >= maxDefinitionCount)
    fail(`more than ${maxDefinitionCount} definitions`)
  if (keyword === 'log') addLog(draft, items)
  else if (keyword === 'witness') addWitness(draft, items)
  else if (keyword === 'group') addGroup(draft, items)
  else if (keyword === 'quorum') setQuorum(draft, items)
  else fail(`${shown(keyword)} is none of log, witness, group, quorum`)
}

/**
 * Returns a C2SP tlog-policy.
 * @throws E_TRUST_FILE (a line, whose number is in the message and, as `line 3`, in `at`) · E_KEY (a key, likewise) · E_TOO_LARGE
 * @see C2SP tlog-policy
 */
export function parseTlogPolicy(text: string): TlogPolicy {
  const sizeBytes = utf8(text).length
  if (sizeBytes > maxPolicyBytes)
    throw new RejoinError('E_TOO_LARGE', `a tlog policy of ${sizeBytes} bytes is over ${maxPolicyBytes}`)
  const draft: Draft = { logs: [], witnesses: new Map(), groups: new Map(), used: new Set(), quorum: undefined }
  for (const [index, line] of text.split('\n').entries()) {
    try {
      addLine(draft, line)
    } catch (cause) {
      const code = codeOf(cause)
      if (code === undefined) throw cause
      const { message, hint } = cause as RejoinError
      const at = `line ${index + 1}`
      throw new RejoinError(code, `tlog policy, ${at}: ${message}`, { at, cause, ...(hint !== undefined && { hint }) })
    }
  }
  const { logs, witnesses, groups, quorum } = draft
  if (quorum === undefined)
    return fail('tlog policy: there is no quorum line', 'end it with: quorum none, or a witness, or a group')
  return { logs, witnesses, groups, quorum }
}

/** Returns whether the witnesses named are enough. */
export function isQuorum(policy: TlogPolicy, names: ReadonlySet<string>): boolean {
  const holds = (name: string): boolean => {
    const group = policy.groups.get(name)
    return group === undefined ? names.has(name) : group.members.filter(holds).length >= group.threshold
  }
  return policy.quorum === 'none' || holds(policy.quorum)
}

/** Returns whether a note is signed by one of the policy's logs under the name that is its origin, or the policy is for any log. */
function isOfListedLog(policy: TlogPolicy, note: Note): boolean {
  const origin = note.text.slice(0, note.text.indexOf('\n'))
  const verifies = (key: VerifierKey): boolean => {
    // C2SP lets a log sign as a witness does
    if (key.type !== 1) return verifiedCosignatures(note, [key as CosignerKey]).length > 0
    try {
      verifyNote(note, origin, key.publicKey as PublicKey)
      return true
    } catch (error) {
      if (codeOf(error) === undefined) throw error
      return false
    }
  }
  return policy.logs.length === 0 || policy.logs.some((key) => key.name === origin && verifies(key))
}

/**
 * Returns whether a checkpoint satisfies a policy, and what its cosignatures say. A time is only what the witnesses' clocks said.
 * @param note of a checkpoint. Where the policy lists no log, the caller must have verified the log's own signature.
 * @see C2SP tlog-policy, protocols/witness.md
 */
export function quorumOf(policy: TlogPolicy, note: Note): Quorum {
  const good: { readonly name: string; readonly cosignature: Cosignature }[] = []
  for (const [name, key] of policy.witnesses)
    for (const cosignature of verifiedCosignatures(note, [key])) good.push({ name, cosignature })
  const names = good.map(({ name }) => name)
  const newest = good.toSorted((a, b) => b.cosignature.timeMs - a.cosignature.timeMs)
  const newestMs = newest[0]?.cosignature.timeMs ?? 0
  const met = isQuorum(policy, new Set(names)) && isOfListedLog(policy, note)
  const seen = new Set<string>()
  let quorumMs = 0
  for (const { name, cosignature } of met && policy.quorum !== 'none' ? newest : []) {
    seen.add(name)
    quorumMs = cosignature.timeMs
    if (isQuorum(policy, seen)) break
  }
  return { met, names, newestMs, quorumMs }
}

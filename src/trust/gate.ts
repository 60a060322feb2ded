import {
  boundType,
  type Compiled,
  decideOn,
  decidePlainly,
  didOf,
  type EntryLine,
  type Evidence,
  type Facts,
  factsDigest,
  factsOf,
  forgeAuthor,
  gateLicense,
  gateVersion,
  gateVulnerability,
  type GateFacts,
  identityAt,
  isPlain,
  limitsUsage,
  type LogId,
  msOfHlc,
  parseEventText,
  parseKey,
  noUsage,
  oneVoice,
  peerIdOf,
  type Place,
  type ProvenBlock,
  type PublicKey,
  RejoinError,
  type RejoinEvent,
  type Ruling,
  textOf,
  type Verdict,
  type Voiced,
  writerStanding
} from '../core/index.ts'
import { type Bindings, noBindings, stays } from './bindings.ts'
import type { DecisionLine } from '../store/index.ts'
import { type EvidenceSource, noEvidence } from './evidence.ts'
import { type LogEnds, noEnds } from './log-end.ts'

/** An event of a block, with the verdict on it. */
export interface Judged {
  readonly line: EntryLine
  /** absent where the line is no event at all */
  readonly event: RejoinEvent | undefined
  readonly decision: Ruling
  /** SHA-256 of the facts; absent where the verdict follows from the line and its writer alone */
  readonly facts?: string
}

/** Where an event stands, and what is known of how it came. */
export interface Arrival {
  readonly log: LogId
  /** did:key of the log's writer */
  readonly author: string
  readonly nowMs: number
  /** the wall clock has lost the time: an event's own time counts where it is later */
  readonly isLost?: boolean
  /** score of the peer that brought it, 0 where none did */
  readonly reputation?: number
  /** the verdict so far, where it is judged again */
  readonly before?: Verdict
}

/** What a gate judges by, beside the trust file. */
export interface GateOptions {
  readonly evidence?: EvidenceSource
  /** what a person decided about an event; it goes before every rule */
  readonly decisionOn?: (log: LogId, index: number) => DecisionLine | undefined
  readonly ends?: LogEnds
  /** to whom tokens bind logs; it must be given the same rules as the gate */
  readonly bindings?: Bindings
}

const ruled = (verdict: Verdict, rule: string): Ruling => ({ verdict, rule, conjuncts: [], warnings: [] })
const refused = (rule: string): Ruling => ruled('refuse', rule)

/** The one door: every event from anywhere comes through judge() before it is kept, shown or passed on. */
export class Gate {
  private readonly own: string
  private readonly evidence: EvidenceSource
  private readonly decisionOn: NonNullable<GateOptions['decisionOn']>
  private readonly ends: LogEnds
  private readonly bindings: Bindings
  private compiled: Compiled
  private isPlain: boolean
  /** did:key → name of the identity */
  private names: ReadonlyMap<string, string>

  /** @param own this node's did:key */
  constructor(
    own: string,
    compiled: Compiled,
    { evidence = noEvidence, decisionOn = () => undefined, ends = noEnds, bindings }: GateOptions = {}
  ) {
    this.own = own
    this.compiled = compiled
    this.names = namesOf(compiled)
    this.isPlain = isPlain(compiled)
    this.evidence = evidence
    this.decisionOn = decisionOn
    this.ends = ends
    this.bindings = bindings ?? noBindings(compiled)
  }

  /** The rules in force. */
  get rules(): Compiled {
    return this.compiled
  }

  /** Puts other rules in force. */
  reload(compiled: Compiled): void {
    this.compiled = compiled
    this.names = namesOf(compiled)
    this.isPlain = isPlain(compiled)
    this.bindings.reload(compiled)
  }

  /** Returns the name of an author, or undefined where nobody here knows it. */
  nameOf(did: string): string | undefined {
    return this.isOwn(did) ? 'me' : this.names.get(this.namedOf(did))
  }

  /** Returns whether a key is this node's, or was before it changed keys. */
  private isOwn(did: string): boolean {
    return did === this.own || this.ends.lineOf(this.own).includes(did)
  }

  /** Returns the key under which the trust file knows the identity of a key: its own, or one that it follows. */
  private namedOf(did: string, log?: LogId): string {
    return this.names.has(did) ? did : (this.ends.lineOf(did, log).find((one) => this.names.has(one)) ?? did)
  }

  /** Returns the name of the identity that has a peer ID, or undefined. */
  nameOfPeer(peerId: string): string | undefined {
    for (const did of [...this.names.keys(), ...this.ends.heirs()])
      if (did.startsWith('did:') && peerIdOf(parseKey(did)) === peerId) return this.names.get(this.namedOf(did))
    return undefined
  }

  /** Returns the did:keys of an identity. */
  keysOf(name: string): readonly string[] {
    return [...this.names].flatMap(([did, one]) => (one === name ? [did] : []))
  }

  /** Returns the name of who writes a log, at one of its entries or now, or the writer's did:key. */
  authorName(log: LogId, key: PublicKey, index: number = Number.MAX_SAFE_INTEGER): string {
    const did = didOf(key)
    return this.nameOf(did) ?? this.bindings.at(log, index, did)?.name ?? did
  }

  /** Returns whether any event of a log may be let in. @param did did:key of its writer */
  admits(did: string, log: LogId): boolean {
    if (this.isOwn(did) || this.ends.awaitedLineOf(did).some((one) => this.names.has(one))) return true
    return this.bindings.has(log, did)
  }

  /** Returns whether a log that is not admitted may be once its first entries were looked at. */
  mayAdmit(): boolean {
    return this.bindings.isOpen
  }

  /** Looks at the first entries of a log that is not admitted. @returns whether it is now */
  knock(log: LogId, block: ProvenBlock): boolean {
    return this.bindings.knock(log, block)
  }

  /** Judges the events of a proven block, in order. */
  judge(block: ProvenBlock, arrival: Arrival): readonly Judged[] {
    const judged: Judged[] = []
    const texts = textOf(block.text).split('\n')
    const plainly = this.isPlain ? this.plainJudge(arrival) : undefined
    let at = -1
    let start = -1
    block.lines.forEach((line) => {
      // the runs of a gap have one line together
      if (line.start !== start) at++
      start = line.start
      if (line.withheld) return
      const event = parseOrRefuse(texts[at] as string, block.text.subarray(line.start, line.end))
      this.meet(line, event, arrival)
      judged.push(plainly === undefined || event === undefined ? this.judgeOne(line, event, arrival) : plainly(line, event))
    })
    return judged
  }

  /** A token counts from its own entry on, so it is taken in before that is judged. */
  private meet({ index }: Pick<EntryLine, 'index'>, event: RejoinEvent | undefined, { log, author }: Arrival): void {
    if (event?.type === boundType) this.bindings.learn({ log, index, author }, event)
  }

  /** Returns where an entry stands, and to whom a token binds it where the trust file does not know its key. */
  private placeOf(log: LogId, index: number, author: string, timeMs?: number): Place {
    const named = this.namedOf(author, log)
    const bound = this.names.has(named) ? undefined : this.bindings.at(log, index, author, timeMs)
    return { log, index, author: named, ...(bound && { bound }) }
  }

  /** Returns how the events of a log are judged where the trust file asks for no facts. */
  private plainJudge(arrival: Arrival): (line: EntryLine, event: RejoinEvent) => Judged {
    const { log, author } = arrival
    const own = this.isOwn(author) ? author : this.own
    const place = { log, index: 0, author: this.namedOf(author, log) }
    const isNamed = this.names.has(place.author) || !this.bindings.isOpen
    const { file } = this.compiled
    return (line, event) => {
      if (this.ends.beyond(log, line.index) !== undefined || this.decisionOn(log, line.index) !== undefined)
        return this.judgeOne(line, event, arrival)
      const { index } = line
      const at = isNamed ? { ...place, index } : this.placeOf(log, index, author, msOfHlc(event.hlc))
      const eventMs = nowAt(arrival, event)
      const { standing } = identityAt(file, at, eventMs)
      const evidence = { author, lineBytes: line.end - line.start, standing, nowMs: eventMs }
      return { line, event, decision: decidePlainly(event, evidence, this.compiled, own) }
    }
  }

  /** Judges one event, and takes note of what its identity has here by that. */
  judgeOne(line: EntryLine, event: RejoinEvent | undefined, arrival: Arrival): Judged {
    if (event === undefined) return { line, event, decision: refused('malformed') }
    this.meet(line, event, arrival)
    const judged = this.judgeEvent(line, event, arrival)
    this.noteUsage(line, event, arrival, judged.decision.verdict)
    return judged
  }

  /** Takes note of a verdict, so that the next event of its identity is judged by what is here then. */
  noteUsage(
    { index, start, end }: Pick<EntryLine, 'index' | 'start' | 'end'>,
    event: RejoinEvent,
    { log, author }: Arrival,
    verdict: Verdict
  ): void {
    if (limitsUsage(this.compiled.file))
      this.evidence.judged(this.identityOf({ log, index, author }), { log, index }, event, verdict, end - start)
  }

  /** Returns the name of the identity that wrote an entry, empty where nobody here knows it. */
  identityOf({ log, index, author }: Place): string {
    const place = this.placeOf(log, index, author)
    return this.names.get(place.author) ?? place.bound?.name ?? ''
  }

  private judgeEvent(line: EntryLine, event: RejoinEvent, arrival: Arrival): Judged {
    const beyond = this.ends.beyond(arrival.log, line.index)
    if (beyond === 'closed') return { line, event, decision: refused('closed') }
    const decided = this.decisionOn(arrival.log, line.index)
    if (decided?.verdict !== undefined && event.source === arrival.author) {
      return { line, event, decision: { verdict: decided.verdict, rule: 'person', conjuncts: [], warnings: [] } }
    }
    // what was let in before a fork was known stays
    const stands = beyond === 'forked' && (arrival.before === 'relay' || arrival.before === 'keep')
    if (beyond !== undefined && !stands) return { line, event, decision: ruled('hold', 'disputed') }
    const facts = this.factsOf(line, event, arrival)
    const own = this.isOwn(arrival.author) ? arrival.author : this.own
    const decision = stays(decideOn(facts, this.compiled, own), event, arrival.before)
    return { line, event, decision, ...(this.looksFurther && { facts: factsDigest(facts) }) }
  }

  /** Whether verdicts depend on more than an event's line and its writer. */
  private get looksFurther(): boolean {
    const { countsVoices, file } = this.compiled
    const { rules, gates, versions } = file
    return rules !== undefined || countsVoices || limitsUsage(file) || versions.length > 0 || Object.keys(gates).length > 0
  }

  /** Returns the facts of an event, as they are known now. */
  factsOf(line: Pick<EntryLine, 'index' | 'start' | 'end'>, event: RejoinEvent, arrival: Arrival): Facts {
    const { log, author, reputation = 0 } = arrival
    const nowMs = nowAt(arrival, event)
    const { file } = this.compiled
    const content = this.evidence.contentOf(event)
    const { quorum, ...witnesses } = this.evidence.witnessesOf(log, line.index)
    const vex = content === undefined ? [] : this.evidence.vexOn(event)
    const place = { log, index: line.index, author }
    const evidence: Evidence = {
      event,
      place,
      voiced: this.voicedOn(event, place, nowMs),
      usage: limitsUsage(file) ? this.evidence.usageOf(this.identityOf(place), place, event) : noUsage,
      lineBytes: line.end - line.start,
      nowMs,
      witnesses,
      peerReputation: reputation,
      content,
      overlap: content && this.evidence.overlapOf(content),
      vex
    }
    const gates: GateFacts | undefined = content && {
      vulnerability: file.gates.vulnerability === undefined ? 'none' : gateVulnerability(content, vex, file.gates.vulnerability),
      license: gateLicense(content, file.gates.license),
      version: gateVersion(content.components, file.versions)
    }
    const named = { ...evidence, place: this.placeOf(log, line.index, author, msOfHlc(event.hlc)) }
    const standing = writerStanding(named, file, { quorum, gates })
    return factsOf(evidence, file, { ...standing, signer: { ...standing.signer, did: author } })
  }

  /** Counts the keys that said the same as an event: those that may be believed where they said it. */
  private voicedOn(event: RejoinEvent, place: Place, nowMs: number): Voiced {
    const voices = this.evidence.voicesOn(event)
    if (voices.length === 0) return oneVoice
    const names = new Map<string, string>()
    for (const voice of [...voices, place]) {
      if (this.ends.beyond(voice.log, voice.index) !== undefined) continue
      const at = this.placeOf(voice.log, voice.index, voice.author)
      const did = at.author
      const { name, standing } = identityAt(this.compiled.file, at, nowMs)
      if (standing === 'good') names.set(did, name)
      else if (this.isOwn(voice.author)) names.set(this.own, '')
    }
    const { name } = identityAt(this.compiled.file, this.placeOf(place.log, place.index, place.author), nowMs)
    const said = name === '' ? 1 : [...names.values()].filter((one) => one === name).length
    return { signatures: Math.max(1, names.size), said: Math.max(1, said) }
  }

  /**
   * Returns why the rules don't let this node publish an event: a limit, a deny list or a gate that fails. Rules with conditions are for
   * what others write.
   */
  shuts(event: RejoinEvent, line: Pick<EntryLine, 'index' | 'start' | 'end'>, log: LogId, nowMs: number): string | undefined {
    const facts = this.factsOf(line, event, { log, author: this.own, nowMs })
    const known = { ...facts, signer: { ...facts.signer, standing: 'good' as const, known: true } }
    const { rules: _, ...withoutRules } = this.compiled.file
    const { verdict, rule } = decideOn(known, { ...this.compiled, file: { ...withoutRules, delegations: [] } }, '')
    return verdict === 'refuse' ? rule : undefined
  }
}

/** Returns the time by which an event is judged. */
function nowAt({ nowMs, isLost }: Arrival, { hlc }: RejoinEvent): number {
  return isLost === true ? Math.max(nowMs, msOfHlc(hlc)) : nowMs
}

function namesOf({ file }: Compiled): ReadonlyMap<string, string> {
  const names = new Map<string, string>()
  for (const identity of file.identities.values())
    for (const name of identity.keys) {
      const key = file.keys.get(name)
      if (key !== undefined) names.set(key.did, identity.name)
    }
  for (const { name, forge } of file.identities.values()) if (forge !== undefined) names.set(forgeAuthor(forge), name)
  return names
}

/** A line that is proven to be in the log but is no event is refused alone; the log goes on. */
function parseOrRefuse(text: string, bytes: Uint8Array): RejoinEvent | undefined {
  try {
    return parseEventText(text, bytes)
  } catch (error) {
    if (error instanceof RejoinError) return undefined
    throw error
  }
}

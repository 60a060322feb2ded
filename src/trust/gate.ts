import {
  type Decision,
  decide,
  didOf,
  type EntryLine,
  parseEventText,
  parseKey,
  peerIdOf,
  type ProvenBlock,
  type PublicKey,
  RejoinError,
  type RejoinEvent,
  textOf
} from '../core/index.ts'
import type { Trust } from './trust-file.ts'

/** An event of a block, with the verdict on it. */
export interface Judged {
  readonly line: EntryLine
  /** absent where the line is no event at all */
  readonly event: RejoinEvent | undefined
  readonly decision: Decision
}

/** The one door: every event from anywhere comes through judge() before it is kept, shown or passed on. */
export class Gate {
  private readonly own: string
  private trust: Trust

  /** @param own this node's did:key */
  constructor(own: string, trust: Trust) {
    this.own = own
    this.trust = trust
  }

  /** The rules in force. */
  get rules(): Trust {
    return this.trust
  }

  /** Puts other rules in force. */
  reload(trust: Trust): void {
    this.trust = trust
  }

  /** Returns the name of an author, or undefined where nobody here knows it. */
  nameOf(did: string): string | undefined {
    return did === this.own ? 'me' : this.trust.rules.authors.get(did)
  }

  /** Returns the name of the identity that has a peer ID, or undefined. */
  nameOfPeer(peerId: string): string | undefined {
    for (const [did, name] of this.trust.rules.authors) if (peerIdOf(parseKey(did)) === peerId) return name
    return undefined
  }

  /** Returns the name of a key's owner, or its did:key. */
  didName(key: PublicKey): string {
    const did = didOf(key)
    return this.nameOf(did) ?? did
  }

  /** Returns whether any event of an author may be let in. */
  admits(did: string): boolean {
    return did === this.own || this.trust.rules.authors.has(did)
  }

  /**
   * Judges the events of a proven block, in order.
   * @param author did:key of the log's writer
   */
  judge(block: ProvenBlock, author: string, nowMs: number): readonly Judged[] {
    const judged: Judged[] = []
    const texts = textOf(block.text).split('\n')
    block.lines.forEach((line, i) => {
      if (line.withheld) return
      const event = parseOrRefuse(texts[i] as string, block.text.subarray(line.start, line.end))
      judged.push({ line, event, decision: this.decideOn(event, author, nowMs) })
    })
    return judged
  }

  private decideOn(event: RejoinEvent | undefined, author: string, nowMs: number): Decision {
    if (event === undefined) return { verdict: 'refuse', rule: 'malformed' }
    if (event.source !== author) return { verdict: 'refuse', rule: 'wrong-source' }
    return decide(event, this.trust.rules, this.own, nowMs)
  }
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

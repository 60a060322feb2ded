import type { RejoinEvent } from '../event/event.ts'
import type { LogId } from '../log/log-id.ts'
import type { Bound } from './binding.ts'
import type { Voiced } from './claim.ts'
import type { Usage } from './usage.ts'

/** A component of an SBOM. */
export interface Component {
  readonly name: string
  readonly version: string
  /** as it stands there, or empty */
  readonly purl: string
  /** SPDX identifiers or expressions */
  readonly licenses: readonly string[]
}

/** A vulnerability that a document speaks of. */
export interface Vulnerability {
  readonly id: string
  /** purl or other product identifiers that it is about; none: the whole document's subject */
  readonly products: readonly string[]
  readonly severity: 'none' | 'low' | 'medium' | 'high' | 'critical' | 'unknown'
  /** VEX status: not_affected, affected, fixed, under_investigation; or empty */
  readonly status: string
  readonly justification: string
  /** the parts of its products that it is about; none: the products themselves */
  readonly subcomponents?: readonly string[]
}

/** What stands in an artifact's documents, once they were fetched. */
export interface Content {
  readonly components: readonly Component[]
  readonly vulnerabilities: readonly Vulnerability[]
  /** licences over all components, each once */
  readonly licenses: readonly string[]
  /** media types of its layers */
  readonly layerTypes: readonly string[]
  /** names of identities, or did:keys, whose signature on it verified (DSSE) */
  readonly signers: readonly string[]
}

/** Where an event stands, and who wrote that log. */
export interface Place {
  readonly log: LogId
  readonly index: number
  /** did:key of the log's writer */
  readonly author: string
  /** to whom a token of the log binds it there; isOver where that has ended */
  readonly bound?: Bound & { readonly isOver: boolean }
}

/** Everything that is known about an event when it is judged. A verdict is a function of this and the trust file alone. */
export interface Evidence {
  readonly event: RejoinEvent
  readonly place: Place
  /** bytes of its line */
  readonly lineBytes: number
  readonly nowMs: number
  /** what its identity has here already; nothing where it is absent, as where nothing limits it */
  readonly usage?: Usage
  /** who said the same; the writer's key alone where it is absent */
  readonly voiced?: Voiced
  /** names of the witnesses whose cosignatures on a checkpoint that covers it verified, and the newest of their times */
  readonly witnesses: { readonly names: readonly string[]; readonly newestMs: number }
  /** of the peer that brought it; 0 where it came from elsewhere */
  readonly peerReputation: number
  /** undefined: not fetched yet */
  readonly content: Content | undefined
  /** purls of components that this site runs too; undefined: not known yet */
  readonly overlap: readonly string[] | undefined
  /** VEX statements of others about its subject that are here, with the roles of who made them */
  readonly vex: readonly { readonly statement: Vulnerability; readonly roles: readonly string[] }[]
}

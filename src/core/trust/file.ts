import type { LogId } from '../log/log-id.ts'
import type { PublicKey } from '../key.ts'
import type { PeerLimits } from './peer-limits.ts'
import type { RateLimit } from './token-bucket.ts'
import type { KeySet } from './token-key.ts'
import type { TrustIssuer } from './token-rules.ts'
import type { Verdict } from './verdict.ts'

/** A key of the trust file. Times are Unix milliseconds. */
export interface TrustKey {
  readonly name: string
  readonly did: string
  readonly publicKey: PublicKey
  readonly fromMs?: number
  readonly untilMs?: number
  /** entries of these logs below these sizes stay valid; everything else that the key signed is void */
  readonly revokedFrom?: readonly { readonly log: LogId; readonly size: number }[]
}

/** Who one or more keys belong to. */
export interface TrustIdentity {
  readonly name: string
  /** names of its keys in the file */
  readonly keys: readonly string[]
  readonly roles: readonly string[]
  /** name of the issuer whose tokens bind keys to it, where it has no keys of its own */
  readonly issuer?: string
  /** address of the registry that it is */
  readonly forge?: string
}

/** What somebody may speak for: only within what its giver has. */
export interface Delegation {
  /** `root` or the name of an identity */
  readonly from: string
  readonly to: string
  /** patterns of repository names: `*` within a part, `**` over parts */
  readonly paths: readonly string[]
  /** patterns with a last `*`; none: all */
  readonly mediaTypes: readonly string[]
  /** event types, patterns; none: all */
  readonly types: readonly string[]
  readonly fromMs?: number
  readonly untilMs?: number
  /** how many keys of `to` must have said the same; 1 where one is enough */
  readonly threshold: number
}

/** Patterns that are let in and patterns that are not; `deny` goes first, an empty `allow` allows all. */
export interface PatternLists {
  readonly allow: readonly string[]
  readonly deny: readonly string[]
}

/** One rule, as it stands in the file. The first whose condition holds decides. */
export interface TrustRule {
  readonly id: string
  /** CEL */
  readonly when: string
  readonly verdict: Verdict
  /** the verdict where the condition can't be evaluated */
  readonly onError: Verdict
}

/** Sizes over which something is refused. */
export interface TrustLimits {
  readonly entryBytes: number
  readonly jsonDepth: number
  readonly blobBytes: number
  readonly unpackRatio: number
  readonly parcelFiles: number
}

/** What VEX and licences must say. */
export interface TrustGates {
  readonly vulnerability?: {
    readonly maxSeverity: 'none' | 'low' | 'medium' | 'high' | 'critical'
    readonly unlessVex: readonly string[]
    readonly vexRoles: readonly string[]
  }
  readonly license?: { readonly allow: readonly string[]; readonly deny: readonly string[] }
}

/** How old something may be when it is judged, in milliseconds; Infinity for never. */
export interface Freshness {
  readonly warnAfterMs: number
  readonly localOnlyAfterMs: number
  readonly refuseAfterMs: number
}

/** What is asked of media that are imported. */
export interface ImportRules {
  /** nothing is ever written to a medium */
  readonly oneWay: boolean
  /** only media that a known identity sealed */
  readonly requireSeal: boolean
}

/** A trust file that was read and checked: all names in it are known, all patterns well formed. @see protocols/trust.md */
export interface TrustFile {
  readonly name: string
  /** never goes down */
  readonly version: number
  readonly root?: { readonly threshold: number; readonly keys: readonly string[] }
  readonly keys: ReadonlyMap<string, TrustKey>
  readonly identities: ReadonlyMap<string, TrustIdentity>
  /** whose tokens bind keys to identities, where the file has any */
  readonly issuers?: ReadonlyMap<string, TrustIssuer>
  /** the key sets of issuers, by the issuer's name, where the files beside the trust file were read */
  readonly keySets?: ReadonlyMap<string, KeySet>
  readonly delegations: readonly Delegation[]
  readonly eventTypes: PatternLists
  readonly mediaTypes: PatternLists
  readonly artifactTypes: PatternLists
  readonly repositories: PatternLists
  readonly limits: TrustLimits
  readonly versions: readonly { readonly purl: string; readonly deny: string }[]
  readonly gates: TrustGates
  readonly inventory?: { readonly source: string }
  readonly freshness: Freshness
  /** C2SP tlog-policy text, as it stands there */
  readonly tlogPolicy?: string
  /** events and bytes that one identity may have here, over all its logs */
  readonly quotas: ReadonlyMap<string, { readonly events: number; readonly bytes: number }>
  /** what may come of one identity in one log, by the clock of its writer */
  readonly identityRate?: RateLimit
  /** what peers are held to, where the file says so */
  readonly peers?: PeerLimits
  /** what is asked of media that are imported, where the file says so */
  readonly import?: ImportRules
  /** undefined: every event of a known identity that is not denied is relayed */
  readonly rules?: readonly TrustRule[]
  /** where no rule fits */
  readonly default: Verdict
  /** SHA-256 of the file's bytes, hexadecimal */
  readonly digest: string
}

import type { PeerLimitsDocument } from './peer-limits.ts'
import type { Verdict } from './verdict.ts'

/** A key as it stands in a trust file. */
export interface KeyDocument {
  readonly did?: string
  readonly vkey?: string
  readonly from?: string
  readonly until?: string
  readonly revokedFrom?: RevocationDocument | readonly RevocationDocument[]
}

/** Up to where a revoked key is believed, as it stands in a trust file. */
export interface RevocationDocument {
  readonly log: string
  readonly size: number
}

/** An identity as it stands in a trust file. */
export interface IdentityDocument {
  readonly keys?: readonly string[]
  readonly issuer?: string
  readonly forge?: string
  readonly roles?: readonly string[]
}

/** An issuer of tokens as it stands in a trust file. */
export interface IssuerDocument {
  readonly iss?: string
  readonly spiffe?: string
  readonly jwks: string
  readonly jwksDigest?: string
  readonly aud: string
  readonly algs?: readonly string[]
  readonly claims?: Readonly<Record<string, string>>
  readonly bindFor?: string
}

/** A delegation as it stands in a trust file. */
export interface DelegationDocument {
  readonly from: string
  readonly to: string
  readonly paths: readonly string[]
  readonly mediaTypes?: readonly string[]
  readonly types?: readonly string[]
  readonly threshold?: number
  readonly since?: string
  readonly until?: string
}

/** A rule as it stands in a trust file. */
export interface RuleDocument {
  readonly id: string
  readonly when: string
  readonly verdict: Verdict
  readonly onError?: Verdict
}

/** Pattern lists as they stand in a trust file. */
export interface PatternsDocument {
  readonly allow?: readonly string[]
  readonly deny?: readonly string[]
}

type Named<T> = Readonly<Record<string, T>>

/** A trust file as it stands there, of the shape that protocols/schemas/trust/trust.schema.json describes. Members without effect here are left out. */
export interface TrustDocument extends PeerLimitsDocument {
  readonly name?: string
  readonly version?: number
  readonly root?: { readonly threshold: number; readonly keys: readonly string[] }
  readonly keys?: Named<KeyDocument>
  readonly issuers?: Named<IssuerDocument>
  readonly identities?: Named<IdentityDocument>
  readonly delegations?: readonly DelegationDocument[]
  readonly witnesses?: { readonly tlogPolicy: string }
  readonly freshness?: { readonly warnAfter?: string; readonly localOnlyAfter?: string; readonly refuseAfter?: string }
  readonly eventTypes?: PatternsDocument
  readonly mediaTypes?: PatternsDocument
  readonly artifactTypes?: PatternsDocument
  readonly repositories?: PatternsDocument
  readonly limits?: {
    readonly entryBytes?: number
    readonly jsonDepth?: number
    readonly blobBytes?: number | string
    readonly unpackRatio?: number
    readonly parcelFiles?: number
  }
  readonly quotas?: Named<{ readonly events?: number; readonly bytes?: number | string }>
  readonly versions?: readonly { readonly purl: string; readonly deny: string }[]
  readonly gates?: {
    readonly vulnerability?: {
      readonly maxSeverity: 'none' | 'low' | 'medium' | 'high' | 'critical'
      readonly unlessVex?: readonly string[]
      readonly vexRoles?: readonly string[]
    }
    readonly license?: PatternsDocument
  }
  readonly inventory?: { readonly source: string }
  readonly budget?: Named<unknown>
  readonly import?: { readonly oneWay?: boolean; readonly requireSeal?: boolean }
  readonly rules?: readonly RuleDocument[]
  readonly default?: Verdict
}

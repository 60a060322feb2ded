import { isObject, type Json, type JsonObject, parseStrict } from '../core/index.ts'
import { stringOf } from './json-format.ts'
import { maxDocumentBytes, maxDocumentDepth } from './recognised.ts'

/** What a claim says was done to an installation, or a claim result says came of it. @see https://github.com/cnabio/cnab-spec/blob/main/400-claims.md */
export type ClaimDocument =
  | {
      readonly kind: 'claim'
      readonly id: string
      readonly installation: string
      readonly action: string
      readonly revision: string
      readonly created: string
      /** name and version of the bundle */
      readonly bundle: string
    }
  | {
      readonly kind: 'claim-result'
      readonly id: string
      readonly claimId: string
      readonly status: string
      readonly created: string
      readonly message: string
    }

/** Media types of claims and of claim results. */
export const claimTypes: ReadonlySet<string> = new Set([
  'application/vnd.cnab.claim.v1+json',
  'application/vnd.cnab.claim-result.v1+json'
])

const statuses: ReadonlySet<string> = new Set(['canceled', 'failed', 'pending', 'running', 'succeeded', 'unknown'])

function text(document: JsonObject, member: string): string {
  return stringOf(document[member]) ?? ''
}

/** Returns what a claim or a claim result says, undefined where a document is neither: a result has one of six statuses. @throws what parseStrict throws */
export function readClaim(bytes: Uint8Array): ClaimDocument | undefined {
  const document: Json = parseStrict(bytes, { maxBytes: maxDocumentBytes, maxDepth: maxDocumentDepth })
  if (!isObject(document)) return undefined
  const of = (member: string): string => text(document, member)
  const [id, created, claimId, status] = [of('id'), of('created'), of('claimId'), of('status')]
  if (id === '') return undefined
  if (claimId !== '')
    return statuses.has(status) ? { kind: 'claim-result', id, created, claimId, status, message: of('message') } : undefined
  const installation = of('installation')
  if (installation === '') return undefined
  const { bundle } = document
  const name = isObject(bundle) ? `${text(bundle, 'name')} ${text(bundle, 'version')}`.trim() : ''
  return { kind: 'claim', id, created, installation, action: of('action'), revision: of('revision'), bundle: name }
}

import { RejoinError } from '../core/index.ts'
import { addForgeIdentity, addIdentity, removeIdentity } from '../trust/index.ts'
import type { VerbRecord } from './control.ts'
import type { VerbContext } from './verbs.ts'

/** What `rejoin trust` asks for. */
export interface TrustArgs {
  readonly action: 'add' | 'remove' | 'show' | 'reload'
  readonly name?: string
  /** did:key, verifier key, peer ID, or the URL of a forge */
  readonly key?: string
}

/** Changes or shows the trust file; a change is in force at once. @throws E_TRUST_FILE E_KEY E_NOT_FOUND E_EXISTS */
export async function* trustVerb({ node, live, args }: VerbContext<TrustArgs>): AsyncGenerator<VerbRecord> {
  const { action, name = '', key = '' } = args
  if (action === 'add' && /^https?:\/\//.test(key)) addForgeIdentity(node.root, name, key.replace(/\/+$/, ''))
  else if (action === 'add') addIdentity(node.root, name, key)
  else if (action === 'remove') removeIdentity(node.root, name)
  else if (action !== 'show' && action !== 'reload')
    throw new RejoinError('E_USAGE', `trust knows no action ${JSON.stringify(action)}`)
  if (node.reloadTrust()) live?.rulesChanged()
  if (live === undefined || action === 'reload') await node.settled()
  const { file } = node.gate.rules
  const identities = [...file.identities.values()].map(({ name, keys, roles, issuer, forge }) => ({
    name,
    keys: keys.flatMap((key) => file.keys.get(key)?.did ?? []),
    roles,
    ...(issuer !== undefined && { issuer }),
    ...(forge !== undefined && { forge })
  }))
  yield {
    kind: 'trust',
    name: file.name,
    version: file.version,
    digest: file.digest,
    identities,
    mediaTypes: file.mediaTypes,
    eventTypes: file.eventTypes
  } as VerbRecord
}

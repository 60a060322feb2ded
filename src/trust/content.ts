import {
  type DocumentContent,
  type Envelope,
  type Manifest,
  maxDocumentBytes,
  readContent,
  type TypeName
} from '../artifact/index.ts'
import {
  type Component,
  concat,
  type Content,
  type PublicKey,
  RejoinError,
  type TrustFile,
  utf8,
  verifySignature,
  type VexStatement
} from '../core/index.ts'

/** A key whose signatures count, and in whose name. */
export interface SigningKey {
  /** name of the identity, or the did:key where it belongs to none */
  readonly name: string
  readonly publicKey: PublicKey
}

/** A blob of an artifact, as its manifest's descriptor says what it is. */
export interface Layer {
  readonly mediaType: string
  readonly bytes: Uint8Array
}

/** What the media type of a descriptor promises; whoever reads it relies on that, so it must be kept. */
const promised: ReadonlyMap<string, TypeName> = new Map([
  ['application/vnd.cyclonedx+json', 'cyclonedx'],
  ['application/vnd.cyclonedx+xml', 'cyclonedx'],
  ['application/spdx+json', 'spdx'],
  ['text/spdx', 'spdx'],
  ['application/vnd.openvex+json', 'openvex'],
  ['application/csaf+json', 'csaf'],
  ['application/vnd.in-toto+json', 'intoto'],
  ['application/vnd.in-toto.bundle', 'intoto'],
  ['application/vnd.dsse.envelope.v1+json', 'dsse']
])
const bundleType = /^application\/vnd\.dev\.sigstore\.bundle(?:\.v[0-9.]+)?\+json$/

/** The most signatures that are verified of one artifact: 4,096 take 0.4 s. */
const maxVerifications = 4096

function promisedBy(mediaType: string): TypeName | undefined {
  const plain = (mediaType.split(';')[0] ?? '').trim().toLowerCase()
  return bundleType.test(plain) ? 'sigstore-bundle' : promised.get(plain)
}

/** What a layer that promises nothing is no document by. */
const notDocuments: ReadonlySet<string | undefined> = new Set(['E_UNKNOWN_TYPE', 'E_UTF8', 'E_JSON', 'E_XML', 'E_DOCUMENT'])

/** Returns what stands in a layer, undefined where it is no document and does not say that it is one. */
function readLayer({ mediaType, bytes }: Layer): DocumentContent | undefined {
  const type = promisedBy(mediaType)
  if (type === undefined && bytes.length > maxDocumentBytes) return undefined
  try {
    return readContent(bytes, type)
  } catch (error) {
    if (error instanceof RejoinError && type === undefined && notDocuments.has(error.code)) return undefined
    throw error
  }
}

/**
 * Returns what a DSSE signature is made over.
 *
 * `DSSEv1 29 http://example.com/HelloWorld 11 hello world`
 * @see https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
 */
export function preAuthenticationEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = utf8(payloadType)
  return concat([utf8(`DSSEv1 ${type.length} `), type, utf8(` ${payload.length} `), payload])
}

interface Verifier {
  readonly signersOf: (envelope: Envelope) => ReadonlySet<string>
}

function newVerifier(keys: readonly SigningKey[]): Verifier {
  let left = maxVerifications
  const signersOf = ({ payloadType, payload, signatures }: Envelope): ReadonlySet<string> => {
    const signers = new Set<string>()
    if (signatures.length === 0 || keys.length === 0) return signers
    const message = preAuthenticationEncoding(payloadType, payload)
    for (const { sig } of signatures) {
      // of another algorithm; the key ID is not signed and says nothing
      if (sig.length !== 64) continue
      const found = keys.find(({ publicKey }) => {
        if (left-- === 0)
          throw new RejoinError('E_TOO_LARGE', `the artifact needs more than ${maxVerifications} verifications of signatures`)
        return verifySignature(publicKey, message, sig)
      })
      if (found !== undefined) signers.add(found.name)
    }
    return signers
  }
  return { signersOf }
}

/** Returns who signed every layer of an artifact; nobody where one is not signed, or is about something else than its subject. */
function signersOfAll(manifest: Manifest, documents: readonly DocumentContent[], keys: readonly SigningKey[]): readonly string[] {
  if (documents.length < manifest.layers.length || documents.some(({ isSigned }) => !isSigned)) return []
  const envelopes = documents.flatMap((document) => document.envelopes)
  const subject: string | undefined = manifest.subject?.digest
  if (subject !== undefined && envelopes.some(({ subjects }) => !subjects.includes(subject))) return []
  const { signersOf } = newVerifier(keys)
  const [first = new Set<string>(), ...others] = envelopes.map(signersOf)
  return [...first].filter((name) => others.every((signers) => signers.has(name))).toSorted()
}

/**
 * Returns what stands in an artifact's documents.
 * @param layers the blobs of its layers, checked against their digests; those over maxDocumentBytes may be left out, as may all that
 * can't be documents
 * @param keys whose signatures count
 * @throws E_TOO_LARGE · what the syntax gives, and E_DOCUMENT, where a layer is not what its media type promises. Such an artifact
 * has no content that all readers agree on.
 * @see protocols/content.md
 */
export function contentOf(manifest: Manifest, layers: readonly Layer[], keys: readonly SigningKey[]): Content {
  const documents = layers.map(readLayer).filter((document) => document !== undefined)
  const components: Component[] = []
  const vulnerabilities: VexStatement[] = []
  const licenses = new Set<string>()
  for (const document of documents) {
    for (const component of document.components) {
      components.push(component)
      for (const license of component.licenses) licenses.add(license)
    }
    for (const vulnerability of document.vulnerabilities) vulnerabilities.push(vulnerability)
  }
  return {
    components,
    vulnerabilities,
    licenses: [...licenses],
    layerTypes: manifest.layers.map(({ mediaType }) => mediaType),
    signers: signersOfAll(manifest, documents, keys)
  }
}

/**
 * Returns the keys of a trust file whose DSSE signatures count at a time. A revoked key has none: its entries count by their
 * place in a log, and a signature in a document has no place.
 */
export function signingKeys(file: TrustFile, atMs: number): readonly SigningKey[] {
  const nameOf = new Map<string, string>()
  for (const { name, keys } of file.identities.values()) for (const key of keys) nameOf.set(key, name)
  return [...file.keys.values()]
    .filter(
      ({ fromMs = -Infinity, untilMs = Infinity, revokedFrom }) => revokedFrom === undefined && fromMs <= atMs && atMs < untilMs
    )
    .map(({ name, did, publicKey }) => ({ name: nameOf.get(name) ?? did, publicKey }))
}

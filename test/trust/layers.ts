import type { Manifest } from '../../src/artifact/index.ts'
import { type Content, digestOf, signerOf, utf8 } from '../../src/core/index.ts'
import { contentOf, preAuthenticationEncoding, type SigningKey } from '../../src/trust/index.ts'

/** Returns a value's bytes as JSON. */
export function bytesOf(value: unknown): Uint8Array {
  return utf8(JSON.stringify(value))
}

/** Returns a manifest whose layers are of these types. */
export const manifestOf = (mediaTypes: readonly string[], subject?: string): Manifest => ({
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  layers: mediaTypes.map((mediaType) => ({ mediaType, digest: digestOf(utf8(mediaType)), size: 1 })),
  manifests: [],
  annotations: {},
  ...(subject !== undefined && {
    subject: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: digestOf(utf8(subject)), size: 1 }
  })
})
/** Returns what stands in one layer, which promises nothing unless its media type is given. */
export const contentOfOne = (
  bytes: Uint8Array,
  mediaType = 'application/octet-stream',
  keys: readonly SigningKey[] = []
): Content => contentOf(manifestOf([mediaType]), [{ mediaType, bytes }], keys)

/** Returns the signer of a seed of 32 equal bytes. */
export const keyOf = (seed: number): ReturnType<typeof signerOf> => signerOf(new Uint8Array(32).fill(seed))

/** payloadType of in-toto statements. */
export const statementType: string = 'application/vnd.in-toto+json'

/** Returns a DSSE envelope. */
export function envelope(
  payload: unknown,
  signers: readonly ReturnType<typeof signerOf>[],
  payloadType: string = statementType,
  keyid: string = ''
): unknown {
  const bytes = bytesOf(payload)
  const message = preAuthenticationEncoding(payloadType, bytes)
  return {
    payloadType,
    payload: Buffer.from(bytes).toString('base64'),
    signatures: signers.map((signer) => ({ keyid, sig: Buffer.from(signer.sign(message)).toString('base64') }))
  }
}
/** Returns an in-toto statement about the SHA-256 of a text. */
export const statement = (subject: string = 'image', predicate: unknown = {}): unknown => ({
  _type: 'https://in-toto.io/Statement/v1',
  subject: [{ name: 'a', digest: { sha256: digestOf(utf8(subject)).slice(7) } }],
  predicateType: 'https://example.com/p',
  predicate
})

import { type Component, isObject, type JsonObject, tooLarge, type VexStatement } from '../core/index.ts'
import { type ContentDraft, newDraft } from './content-draft.ts'
import { cyclonedxContent } from './cyclonedx-content.ts'
import { cyclonedxXmlContent } from './cyclonedx-xml-content.ts'
import { type Envelope, envelopesOf } from './envelope.ts'
import { intoto } from './intoto.ts'
import type { JsonFormat } from './json-format.ts'
import { openDocument, unknownType } from './open.ts'
import { cyclonedx } from './cyclonedx.ts'
import { maxDocumentBytes, type TypeName } from './recognised.ts'
import { spdx } from './spdx.ts'
import { spdxContent, tagValueContent } from './spdx-content.ts'
import { csaf, openvex } from './vex.ts'
import { csafContent } from './csaf-content.ts'
import { openvexContent } from './openvex-content.ts'

/** What stands in one document. */
export interface DocumentContent {
  readonly components: readonly Component[]
  readonly vulnerabilities: readonly VexStatement[]
  /** the DSSE envelopes in it */
  readonly envelopes: readonly Envelope[]
  /** whether nothing is in it but envelopes, so that whoever signed all of them signed all of it */
  readonly isSigned: boolean
}

/** How each format's documents are read; one that fits several formats is read as each of them, for others may. */
const readers: readonly (readonly [JsonFormat, (document: JsonObject, draft: ContentDraft) => void])[] = [
  [cyclonedx, cyclonedxContent],
  [spdx, spdxContent],
  [openvex, openvexContent],
  [csaf, csafContent]
]

/** Reads an object, and the predicate of an in-toto statement, which may be a document too. @returns whether it was of any known format */
function readObject(document: JsonObject, draft: ContentDraft): boolean {
  let isKnown = false
  const predicate = intoto.fault(document) === undefined ? document['predicate'] : undefined
  for (const [format, read] of readers) {
    if (format.fault(document) === undefined) {
      read(document, draft)
      isKnown = true
    }
    if (isObject(predicate) && format.fault(predicate) === undefined) read(predicate, draft)
  }
  return isKnown || intoto.fault(document) === undefined
}

/**
 * Returns the components, vulnerabilities and envelopes of a document of a known kind: CycloneDX (JSON and XML), SPDX 2 (JSON and
 * tag-value), SPDX 3 (JSON-LD), OpenVEX, CSAF, and what in-toto statements hold of these. Documents of other known kinds have none.
 * @param type what it must be; undefined: whatever it is
 * @throws as recognise: E_TOO_LARGE over maxDocumentBytes or maxContentItems, E_DOCUMENT E_UNKNOWN_TYPE and whatever the syntax gives
 */
export function readContent(bytes: Uint8Array, type?: TypeName): DocumentContent {
  if (bytes.length > maxDocumentBytes) throw tooLarge(bytes.length, maxDocumentBytes)
  const opened = openDocument(bytes, type)
  const draft = newDraft()
  const envelopes: Envelope[] = []
  let isSigned = false
  switch (opened.kind) {
    case 'xml':
      if (!cyclonedxXmlContent(opened.text, draft)) throw unknownType('it is XML')
      break
    case 'tag-value':
      tagValueContent(opened.text, draft)
      break
    case 'json':
    case 'lines': {
      const documents = opened.kind === 'json' ? [opened.document] : opened.lines.map(({ value }) => value)
      isSigned = true
      for (const document of documents) {
        const held = envelopesOf(document)
        envelopes.push(...held)
        for (const { document: signed } of held) if (signed !== undefined) readObject(signed, draft)
        // what stands beside an envelope in the same object is not signed
        if (readObject(document, draft) || held.length === 0) isSigned = false
      }
    }
  }
  return { components: draft.components, vulnerabilities: draft.vulnerabilities, envelopes, isSigned }
}

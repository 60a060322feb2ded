import { type JsonObject, RejoinError, tooLarge } from '../core/index.ts'
import { readCyclonedxXml } from './cyclonedx-xml.ts'
import { bundleOfLines } from './intoto.ts'
import type { JsonFacts } from './json-format.ts'
import { isMediaType } from './media-type.ts'
import { hasByteOrderMark, openDocument, type OpenDocument, unknownType } from './open.ts'
import {
  type Facts,
  maxDocumentBytes,
  maxWarnings,
  notOfType,
  type Recognised,
  titleOf,
  type TypeName,
  typeNames,
  type Warning,
  warning
} from './recognised.ts'
import { maxCheckedBytes, schemaWarnings } from './schema.ts'
import { readTagValue } from './spdx-tag-value.ts'

/** How to recognise a document. */
export interface RecogniseOptions {
  /** one of typeNames: the document must be that; or a media type: the bytes are taken as they are, unread and of any size */
  readonly type?: string
  /** the file's name, the title of a document that names nothing */
  readonly fileName?: string
}

function checkSchema(
  { specVersion, schema }: JsonFacts,
  document: JsonObject,
  name: TypeName,
  sizeBytes: number
): readonly Warning[] {
  if (schema !== undefined && sizeBytes > maxCheckedBytes)
    return [warning('W_NOT_CHECKED', `over ${maxCheckedBytes / 1024 / 1024} MiB: not checked against its schema`)]
  if (schema !== undefined) return schemaWarnings(schema, document)
  const hasSchemas =
    name === 'cyclonedx' || name === 'openvex' || name === 'csaf' || (name === 'spdx' && document['spdxVersion'] !== undefined)
  return hasSchemas ? [warning('W_NO_SCHEMA', `no schema of ${name} ${specVersion} is here: not checked`)] : []
}

function readOpened(opened: OpenDocument, type: TypeName | undefined, sizeBytes: number): readonly [TypeName, Facts] {
  switch (opened.kind) {
    case 'lines':
      return ['intoto-bundle', bundleOfLines(opened.lines)]
    case 'json': {
      const { format, document } = opened
      const found = format.facts(document)
      return [
        format.name,
        { ...found, warnings: [...checkSchema(found, document, format.name, sizeBytes), ...(found.warnings ?? [])] }
      ]
    }
    case 'xml': {
      const facts = readCyclonedxXml(opened.text)
      if (facts !== undefined) return ['cyclonedx', facts]
      throw type === undefined ? unknownType('it is XML') : notOfType(type, 'its root element is not a CycloneDX bom')
    }
    case 'tag-value':
      return ['spdx', readTagValue(opened.text)]
  }
}

function opaque(type: string, fileName: string | undefined): Recognised {
  if (!isMediaType(type))
    throw new RejoinError('E_USAGE', 'the media type is malformed', {
      hint: 'such as application/octet-stream, without parameters'
    })
  const title = titleOf(fileName)
  return {
    format: 'opaque',
    mediaType: type,
    artifactType: type,
    eventType: 'artifact.published',
    ...(title !== undefined && { title }),
    warnings: []
  }
}

function typeNameOf(type: string | undefined): TypeName | undefined {
  const found = typeNames.find((name) => name === type)
  if (type !== undefined && found === undefined)
    throw new RejoinError('E_USAGE', 'the type is unknown', { hint: `a media type, or one of ${typeNames.join(', ')}` })
  return found
}

/**
 * Returns what a document is, by its content and not by its name or schema: a fault against the official schema is a warning,
 * and so is everything else that a careful reader can live with.
 * @throws E_TOO_LARGE over maxDocumentBytes · E_UTF8 E_JSON E_TOO_DEEP E_DUPLICATE_KEY E_FORBIDDEN_KEY E_XML for what does not parse ·
 * E_DOCUMENT for what is not of options.type · E_UNKNOWN_TYPE for what is of no known kind · E_USAGE for an unknown options.type
 * @see protocols/artifact.md
 */
export function recognise(bytes: Uint8Array, options: RecogniseOptions = {}): Recognised {
  if (options.type?.includes('/') === true) return opaque(options.type, options.fileName)
  const type = typeNameOf(options.type)
  if (bytes.length > maxDocumentBytes) throw tooLarge(bytes.length, maxDocumentBytes)
  const marked = hasByteOrderMark(bytes)
  const [format, facts] = readOpened(openDocument(bytes, type), type, bytes.length)
  const mark = marked ? [warning('W_BYTE_ORDER_MARK', 'the text begins with a byte order mark')] : []
  const title = facts.title ?? titleOf(options.fileName)
  const specVersion = titleOf(facts.specVersion)
  return {
    format,
    mediaType: facts.mediaType,
    artifactType: facts.artifactType ?? facts.mediaType,
    eventType: facts.eventType,
    ...(specVersion !== undefined && { specVersion }),
    ...(title !== undefined && { title }),
    warnings: [...mark, ...(facts.warnings ?? [])].slice(0, maxWarnings)
  }
}

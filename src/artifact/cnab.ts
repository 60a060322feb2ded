import { isObject, type Json, type JsonObject } from '../core/index.ts'
import { fullImageName } from './image-name.ts'
import { itemsOf, type JsonFormat, stringOf } from './json-format.ts'
import { type EventType, titleOf, type TypeName } from './recognised.ts'
import type { SchemaName } from './schema-table.ts'

/** A reference to an image with a host or folder, and a tag or digest: `my.registry/helloworld:0.1.0` */
const imageReference =
  /^[A-Za-z0-9][A-Za-z0-9._:-]*(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)+(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha(?:256|512):[0-9a-f]{64,128})?$/
const maxReferenceChars = 512

interface CnabKind {
  readonly name: TypeName & SchemaName
  readonly mediaType: string
  readonly eventType: EventType
  readonly fault: (document: JsonObject) => string | undefined
  readonly tells?: (document: JsonObject) => boolean
  readonly title?: (document: JsonObject) => readonly (Json | undefined)[]
}

function format({ name, mediaType, eventType, fault, tells, title }: CnabKind): JsonFormat {
  return {
    name,
    fault,
    ...(tells && { tells }),
    facts: (document) => ({
      mediaType,
      eventType,
      specVersion: stringOf(document['schemaVersion']),
      title: titleOf(...(title?.(document) ?? [])),
      schema: name
    })
  }
}

function missing(document: JsonObject, members: readonly string[]): string | undefined {
  const absent = members.find((member) => !Object.hasOwn(document, member))
  return absent === undefined ? undefined : `"${absent}" is missing`
}

function every(document: JsonObject, holds: (value: JsonObject) => boolean): boolean {
  const values = Object.values(document)
  return values.length > 0 && values.every((value) => isObject(value) && holds(value))
}

function isReference(text: Json): boolean {
  return (
    typeof text === 'string' &&
    text.length <= maxReferenceChars &&
    imageReference.test(text) &&
    /[:@]/.test(text.slice(text.lastIndexOf('/')))
  )
}

/** A bare name, such as `busybox`, says something only beside a reference with a digest. */
function isRelocation([original, relocated]: [string, Json]): boolean {
  if (!isReference(relocated)) return false
  return isReference(original) || (String(relocated).includes('@') && fullImageName(original) !== undefined)
}

/** CNAB's documents; what CNAB's own loader takes is taken here, also where the schema refuses it. @see https://cnab.io */
export const cnabFormats: readonly JsonFormat[] = [
  format({
    name: 'cnab-bundle',
    mediaType: 'application/vnd.cnab.config.v1+json',
    eventType: 'bundle.published',
    fault: (document) => missing(document, ['schemaVersion', 'name', 'version', 'invocationImages']),
    title: ({ name, version }) => [name, version]
  }),
  format({
    name: 'cnab-claim',
    mediaType: 'application/vnd.cnab.claim.v1+json',
    eventType: 'claim.published',
    fault: (document) => missing(document, ['installation', 'action', 'revision', 'bundle']),
    title: ({ installation, action }) => [installation, action]
  }),
  format({
    name: 'cnab-claim-result',
    mediaType: 'application/vnd.cnab.claim-result.v1+json',
    eventType: 'claim.published',
    fault: (document) => missing(document, ['claimId', 'id', 'status']),
    title: ({ claimId, status }) => [claimId, status]
  }),
  format({
    name: 'cnab-dependencies',
    mediaType: 'application/vnd.cnab.dependencies.v1+json',
    eventType: 'artifact.published',
    fault: ({ requires }) =>
      isObject(requires) && every(requires, ({ bundle }) => typeof bundle === 'string')
        ? undefined
        : '"requires" names no bundles',
    tells: (document) => Object.keys(document).every((key) => key === 'requires' || key === 'sequence')
  }),
  format({
    name: 'cnab-parameter-sources',
    mediaType: 'application/vnd.cnab.parameter-sources.v1+json',
    eventType: 'artifact.published',
    fault: (document) =>
      every(document, ({ priority, sources }) => Array.isArray(priority) && isObject(sources))
        ? undefined
        : 'a parameter has no "priority" and "sources"'
  }),
  format({
    name: 'cnab-status',
    mediaType: 'application/vnd.cnab.status.v1+json',
    eventType: 'artifact.published',
    fault: (document) => (typeof document['status'] === 'string' ? undefined : '"status" is missing'),
    tells: ({ components }) => isObject(components) && every(components, ({ status }) => typeof status === 'string'),
    title: ({ status, message }) => [status, message]
  }),
  format({
    name: 'cnab-relocation-mapping',
    mediaType: 'application/vnd.cnab.relocation-mapping.v1+json',
    eventType: 'artifact.published',
    fault: (document) =>
      itemsOf(Object.values(document)).every((value) => typeof value === 'string') ? undefined : 'a value is no image reference',
    tells: (document) => Object.keys(document).length > 0 && Object.entries(document).every(isRelocation)
  })
]

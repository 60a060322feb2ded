import { isObject, type JsonObject } from '../core/index.ts'
import { type JsonFormat, stringOf } from './json-format.ts'
import { titleOf } from './recognised.ts'
import { isSchemaName } from './schema-table.ts'

const openvexContext = /^https:\/\/openvex\.dev\/ns(?:\/v([0-9][0-9.]*))?\/?$/

function contextOf(document: JsonObject): RegExpExecArray | undefined {
  const context = document['@context']
  for (const item of Array.isArray(context) ? context : [context]) {
    const match = typeof item === 'string' ? openvexContext.exec(item) : null
    if (match !== null) return match
  }
  return undefined
}

/** OpenVEX: `{"@context":"https://openvex.dev/ns/v0.2.0",…}`; version 0.0.1 had no version in its context. */
export const openvex: JsonFormat = {
  name: 'openvex',
  fault: (document) => (contextOf(document) === undefined ? '"@context" is not of https://openvex.dev/ns' : undefined),
  facts: (document) => {
    const specVersion = contextOf(document)?.[1] ?? '0.0.1'
    const schema = `openvex ${specVersion}`
    return {
      mediaType: 'application/vnd.openvex+json',
      eventType: 'vex.published',
      specVersion,
      title: titleOf(document['@id']),
      schema: isSchemaName(schema) ? schema : undefined
    }
  }
}

/** CSAF: `{"document":{"category":"csaf_vex","csaf_version":"2.0",…},…}` */
export const csaf: JsonFormat = {
  name: 'csaf',
  fault: ({ document }) =>
    isObject(document) && typeof document['csaf_version'] === 'string' ? undefined : '"document.csaf_version" is missing',
  facts: ({ document }) => {
    const head = isObject(document) ? document : {}
    const specVersion = stringOf(head['csaf_version'])
    const schema = `csaf ${specVersion}`
    const tracking = head['tracking']
    return {
      mediaType: 'application/csaf+json',
      eventType: 'vex.published',
      specVersion,
      title: titleOf(isObject(tracking) ? tracking['id'] : undefined, head['title']),
      schema: isSchemaName(schema) ? schema : undefined
    }
  }
}

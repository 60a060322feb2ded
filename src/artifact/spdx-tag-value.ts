import { RejoinError } from '../core/index.ts'
import { type Facts, titleOf, type Warning, warning } from './recognised.ts'

const line = /^[ \t]*([A-Za-z][A-Za-z0-9]*)[ \t]*:[ \t]*(.*)$/s
const versionLine = /^[ \t]*SPDXVersion[ \t]*:/m
const required: readonly string[] = ['DataLicense', 'SPDXID', 'DocumentName', 'DocumentNamespace', 'Creator', 'Created']

/** Returns whether the head of a text has the tag that every SPDX tag-value document begins with. */
export function isTagValue(head: string): boolean {
  return versionLine.test(head)
}

/**
 * Calls `visit` for each tag and value; of a value in `<text>` that goes over lines only the first.
 * @throws E_DOCUMENT for a line that is no tag and value, or a `<text>` without end
 */
export function scanTagValue(text: string, visit: (tag: string, value: string) => void): void {
  let at = 0
  for (let number = 1; at < text.length; number++) {
    const feed = text.indexOf('\n', at)
    const end = feed === -1 ? text.length : feed
    const row = text.slice(at, end).replace(/\r$/, '')
    at = end + 1
    if (/^[ \t]*(?:#|$)/.test(row)) continue
    const [, tag, value = ''] = line.exec(row) ?? []
    if (tag === undefined)
      throw new RejoinError('E_DOCUMENT', `line ${number} is not a tag and its value`, { at: `line ${number}` })
    visit(tag, value)
    if (!value.startsWith('<text>') || value.includes('</text>')) continue
    const close = text.indexOf('</text>', at)
    if (close === -1) throw new RejoinError('E_DOCUMENT', `the <text> of line ${number} has no end`, { at: `line ${number}` })
    const after = text.indexOf('\n', close)
    const next = after === -1 ? text.length : after + 1
    for (let i = text.indexOf('\n', at); i !== -1 && i < next; i = text.indexOf('\n', i + 1)) number++
    at = next
  }
}

/**
 * Returns the facts of an SPDX tag-value document.
 *
 * `SPDXVersion: SPDX-2.3`
 * @throws E_DOCUMENT for a line that is no tag and value, or a `<text>` without end
 * @see https://spdx.github.io/spdx-spec/v2.3/
 */
export function readTagValue(text: string): Facts {
  const first = new Map<string, string>()
  scanTagValue(text, (tag, value) => {
    if (!first.has(tag)) first.set(tag, value)
  })
  const absent = required.filter((tag) => !first.has(tag))
  const warnings: Warning[] = absent.map((tag) => warning('W_CONTENT', `the tag ${tag} is missing`))
  const specVersion = first
    .get('SPDXVersion')
    ?.trim()
    .replace(/^SPDX-/, '')
  return { mediaType: 'text/spdx', eventType: 'sbom.published', specVersion, title: titleOf(first.get('DocumentName')), warnings }
}

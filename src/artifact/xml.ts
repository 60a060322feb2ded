import { SaxesParser } from 'saxes'
import { RejoinError } from '../core/index.ts'
import { maxDocumentDepth } from './recognised.ts'
import { printable } from './printable.ts'

/** Who is told of a document's elements; paths are local names from the root down, and change after the call. */
export interface XmlVisitor {
  readonly open: (path: readonly string[], namespace: string, attributes: ReadonlyMap<string, string>) => void
  /** an element ends; `text` is its own text, at most its first 4,096 characters, and `line` where it ends */
  readonly close: (path: readonly string[], text: string, line: number) => void
}

const maxTextChars = 4096

/**
 * Reads a well-formed XML text with namespaces. Nothing is ever fetched or expanded: a document type declaration, and with it
 * every entity but the five of XML itself, is refused.
 * @throws E_XML · E_TOO_DEEP over maxDocumentDepth, with line and column
 */
export function scanXml(text: string, visitor: XmlVisitor): void {
  const parser = new SaxesParser({ xmlns: true })
  const path: string[] = []
  const texts: string[] = []
  const fail = (code: 'E_XML' | 'E_TOO_DEEP', message: string): never => {
    const { line, column } = parser
    throw new RejoinError(code, `${message} at line ${line}, column ${column}`, { at: `${line}:${column}` })
  }
  const append = (more: string): void => {
    const last = texts.length - 1
    const before = texts[last]
    if (before !== undefined && before.length < maxTextChars) texts[last] = before + more.slice(0, maxTextChars - before.length)
  }
  parser.on('error', (error) =>
    fail('E_XML', `the XML is not well formed: ${printable(error.message.replace(/^[0-9:]+ /, '').replace(/\.$/, ''), 60)}`)
  )
  parser.on('doctype', () => fail('E_XML', 'the XML has a document type declaration'))
  parser.on('opentag', ({ local, uri, attributes }) => {
    if (path.length === maxDocumentDepth) fail('E_TOO_DEEP', 'XML is nested too deep')
    path.push(local)
    texts.push('')
    visitor.open(path, uri, new Map(Object.values(attributes).map(({ name, value }) => [name, value])))
  })
  parser.on('text', append)
  parser.on('cdata', append)
  parser.on('closetag', () => {
    visitor.close(path, texts.at(-1) ?? '', parser.line)
    path.pop()
    texts.pop()
  })
  parser.write(text).close()
}

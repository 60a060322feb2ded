import { SaxesParser } from 'saxes'
import { RejoinError } from '../core/index.ts'

const maxDepth = 128

/** Returns the root element of an XML text after all of it was parsed. @throws E_DOCUMENT where it is not well-formed, has a DTD or is nested too deep */
export function rootOfXml(text: string): { readonly name: string; readonly namespace: string } | undefined {
  const parser = new SaxesParser({ xmlns: true, position: true })
  let root: { readonly name: string; readonly namespace: string } | undefined
  let depth = 0
  const fail = (message: string): never => {
    throw new RejoinError('E_DOCUMENT', `the XML ${message} at line ${parser.line}`, { at: `${parser.line}:${parser.column}` })
  }
  parser.on('error', (error) => fail(`is not well-formed (${error.message.replace(/^\d+:\d+: /, '').slice(0, 60)})`))
  parser.on('doctype', () => fail('has a document type, which is not allowed'))
  parser.on('opentag', ({ local, uri }) => {
    root ??= { name: local, namespace: uri }
    if (++depth > maxDepth) fail('is nested too deep')
  })
  parser.on('closetag', () => void depth--)
  parser.write(text).close()
  return root
}

import { afterEach, expect, it } from 'vitest'
import { type Digest, digestOf, utf8 } from '../../src/core/index.ts'
import { faultsOf, filesOf, type LabNode, NodeLab, publishText, until, usedAt, writeTrust } from './lab.ts'

const nodeCount = 20
const textsEach = 3
const types = ['text/x-0', 'text/x-1', 'text/x-2', 'text/x-3', 'text/x-4'] as const

/** One of five trust files, and what it makes of a text by an author. */
interface Policy {
  readonly trusts: (author: number) => boolean
  readonly yaml: string
  readonly verdict: (type: string) => 'relay' | 'keep' | 'refuse'
}

const everybody = (): boolean => true
const policies: readonly Policy[] = [
  { trusts: everybody, yaml: '', verdict: () => 'relay' },
  {
    trusts: everybody,
    yaml: 'mediaTypes: {deny: ["text/x-1"]}\n',
    verdict: (type) => (type === 'text/x-1' ? 'refuse' : 'relay')
  },
  {
    trusts: everybody,
    yaml: `rules:
  - {id: own-use, when: 'event.artifactType == "text/x-2"', verdict: keep}
  - {id: never, when: 'event.artifactType == "text/x-4"', verdict: refuse}
default: relay
`,
    verdict: (type) => (type === 'text/x-2' ? 'keep' : type === 'text/x-4' ? 'refuse' : 'relay')
  },
  { trusts: (author) => author % 2 === 0, yaml: '', verdict: () => 'relay' },
  {
    trusts: everybody,
    yaml: 'mediaTypes: {allow: ["text/x-1", "text/x-2", "text/x-4"]}\n',
    verdict: (type) => (type === 'text/x-0' || type === 'text/x-3' ? 'refuse' : 'relay')
  }
]
const policyOf = (node: number): Policy => policies[(node * 7 + 3) % policies.length] as Policy
/** Whom each node dials: a ring with chords. */
const links = Array.from({ length: nodeCount }, (_, i) => [(i + 1) % nodeCount, (i + 6) % nodeCount] as const)

function verdictAt(node: number, author: number, type: string): 'relay' | 'keep' | 'refuse' {
  if (node === author) return 'relay'
  const { trusts, verdict } = policyOf(node)
  return trusts(author) ? verdict(type) : 'refuse'
}

/** The nodes that some path of nodes that pass a text on brings it to, and that let it in. */
function reached(author: number, type: string): ReadonlySet<number> {
  const holders = new Set([author])
  const queue = [author]
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    if (verdictAt(at, author, type) !== 'relay') continue
    for (let other = 0; other < nodeCount; other++) {
      const linked = links[at]?.includes(other) === true || links[other]?.includes(at) === true
      if (!linked || holders.has(other) || verdictAt(other, author, type) === 'refuse') continue
      holders.add(other)
      queue.push(other)
    }
  }
  return holders
}

const lab = new NodeLab()
afterEach(async () => await lab[Symbol.asyncDispose]())

it('20 nodes with five trust files: none holds what its rules refuse, each holds what they accept and an honest path brings', async () => {
  const folders: { readonly root: string; readonly did: string }[] = []
  for (let i = 0; i < nodeCount; i++) folders.push(await lab.folder(`n${i}`))
  folders.forEach(({ root }, i) => {
    const { trusts, yaml } = policyOf(i)
    const known = folders.flatMap(({ did }, author) => (author !== i && trusts(author) ? [[`n${author}`, did] as const] : []))
    writeTrust(root, 1, Object.fromEntries(known), yaml)
  })
  const nodes: LabNode[] = []
  for (const [i, { root }] of folders.entries()) nodes.push(await lab.up(`n${i}`, root))
  // half of the texts are there before they meet, and come by sync; the others by gossip
  const texts: {
    readonly author: number
    readonly type: string
    readonly token: string
    readonly digest: Digest
    readonly document: Digest
  }[] = []
  const say = async (author: number, k: number): Promise<void> => {
    // a node publishes nothing that its own lists shut out
    const open = types.filter((one) => policyOf(author).verdict(one) !== 'refuse')
    const type = open[(author * textsEach + k) % open.length] as string
    const token = `TOKEN-${author}-${k}-`
    const text = `${token} by ${author}`
    const { digest } = await publishText(nodes[author] as LabNode, text, { type })
    texts.push({ author, type, token, digest: digest as Digest, document: digestOf(utf8(text)) })
  }
  for (let author = 0; author < nodeCount; author++) await say(author, 0)
  for (const [i, others] of links.entries())
    for (const other of others) await lab.connect(nodes[i] as LabNode, nodes[other] as LabNode)
  for (let k = 1; k < textsEach; k++) for (let author = 0; author < nodeCount; author++) await say(author, k)

  const lacking = new Set(texts.flatMap((text) => [...reached(text.author, text.type)].map((at) => ({ ...text, at }))))
  const look = (): readonly string[] => {
    for (const one of lacking) {
      const { node } = nodes[one.at] as LabNode
      const { log } = (nodes[one.author] as LabNode).node
      if (!node.blobs.has(one.document) || !node.blobs.has(one.digest)) continue
      if (usedAt(nodes[one.at] as LabNode, log).some((event) => event?.subject === one.digest)) lacking.delete(one)
    }
    return [...lacking].map(({ token, at }) => `${token} at ${at}`)
  }
  await until(() => expect(look()).toEqual([]), 200)
  const wrong: string[] = []
  for (const [at, { root }] of nodes.entries()) {
    const files = [...filesOf(root).values()]
    const holds = (text: string): boolean => files.some((bytes) => bytes.includes(text))
    for (const { author, type, token, digest } of texts) {
      if (reached(author, type).has(at) && !holds(token)) wrong.push(`${token} is not at ${at}`)
      if (verdictAt(at, author, type) !== 'refuse') continue
      // the blob and the line: neither the text itself nor what names it
      if (holds(token) || holds(digest.slice(7))) wrong.push(`${token} at ${at}`)
    }
    for (const fault of await faultsOf(root)) wrong.push(`${at}: ${fault}`)
  }
  expect(wrong).toEqual([])
  expect(texts.some(({ author, type }) => reached(author, type).size < nodeCount / 2)).toBe(true)
})

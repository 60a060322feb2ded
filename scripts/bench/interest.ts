import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import { didOf } from '../../src/core/index.ts'
import { Node } from '../../src/node/index.ts'
import { drafts } from './events.ts'
import { startOther } from './other.ts'
import { makeNode, type Row, syncWith } from './rows.ts'

function bytesBelow(folder: string): number {
  let bytes = 0
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    bytes += entry.isDirectory() ? bytesBelow(path) : statSync(path).size
  }
  return bytes
}

/** Fills a log in which every hundredth event is of the repository `wanted`, evenly spread: the worst case for runs of hashes. */
async function fillMixed(root: string, count: number): Promise<number> {
  await using node = await Node.open(root)
  let wantedBytes = 0
  for (let done = 0; done < count; done += 4096) {
    const some = drafts(Math.min(4096, count - done)).map((draft, i) =>
      (done + i) % 100 === 0 ? { ...draft, data: { ...draft.data, repository: 'wanted' } } : draft
    )
    const written = await node.writer.append(some)
    for (const { event } of written) if (event.data['repository'] === 'wanted') wantedBytes += JSON.stringify(event).length + 1
  }
  return wantedBytes
}

/** What an edge node receives and stores that wants one hundredth of a large log. */
export async function interestRows(count: number): Promise<readonly Row[]> {
  const [a, b] = [await makeNode('interest-a'), await makeNode('interest-b')]
  const wantedBytes = await fillMixed(a, count)
  const keys: string[] = []
  for (const root of [a, b]) {
    await using node = await Node.open(root)
    keys.push(didOf(node.keys.signer.publicKey))
  }
  const trust = (did: string, rules: string): string =>
    `apiVersion: rejoin/v1\nkind: TrustPolicy\nname: bench\nversion: 2\nkeys: {peer: {did: "${did}"}}\nidentities: {peer: {keys: [peer]}}\n${rules}`
  writeFileSync(join(a, 'trust.yaml'), trust(keys[1] as string, ''))
  writeFileSync(join(b, 'trust.yaml'), trust(keys[0] as string, 'repositories: {allow: ["wanted"]}\n'))
  const other = await startOther(a)
  const { result } = await syncWith(b, other)
  await other.end()
  const restBytes = bytesBelow(join(b, 'logs')) - wantedBytes
  for (const root of [a, b]) rmSync(root, { recursive: true })
  return [
    {
      name: `1 % of ${count} events wanted: bytes received, of the wanted lines’ own`,
      value: result.bytesReceived / wantedBytes,
      unit: '×',
      target: 1,
      better: 'less'
    },
    {
      name: `1 % of ${count} events wanted: bytes stored for the rest`,
      value: restBytes / 1e6,
      unit: 'MB',
      target: 5 * (count / 1_000_000),
      better: 'less'
    }
  ]
}

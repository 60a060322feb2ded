import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Node } from '../../src/node/index.ts'
import { addIdentity } from '../../src/trust/index.ts'
import { fill, makeNode, type Row } from './rows.ts'

const main = join(import.meta.dirname, '../../dist/cli/main.js')
const kinds = ['vex', 'manifest', 'receipt', 'job', 'result', 'bundle', 'usage', 'attestation', 'sbom']

/** Ten rules, of which the last but one holds for every other event. */
function rules(): string {
  const first = kinds.map(
    (kind, i) =>
      `  - {id: ${kind}, when: 'event.type == "${kind}.published" && signer.known && event.size > ${i} && event.subject < "sha256:8"', verdict: keep}`
  )
  return `rules:\n${first.join('\n')}\n  - {id: others, when: 'event.path.startsWith("apps/")', verdict: relay}\ndefault: hold\n`
}

/** `rejoin trust test` over a log of another writer, as a process of its own: opening the node, half of the verdicts changed. */
export async function replayRow(events: number): Promise<readonly Row[]> {
  const [a, b] = [await makeNode('replay-a'), await makeNode('replay-b')]
  try {
    await fill(a, events)
    let did = ''
    {
      await using node = await Node.open(a)
      did = node.did
      node.writer.sign()
    }
    cpSync(join(a, 'logs'), join(b, 'logs'), { recursive: true })
    addIdentity(b, 'a', did)
    {
      // the index is made, so that it is no part of what is measured
      await using _node = await Node.open(b)
    }
    const file = join(b, 'new.yaml')
    writeFileSync(file, `${readFileSync(join(b, 'trust.yaml'), 'utf8')}${rules()}`)
    const start = performance.now()
    const child = spawn(process.execPath, [main, 'trust', 'test', file, '--data', b, '--json'], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    let rssKb = 0
    const watch = setInterval(() => (rssKb = Math.max(rssKb, peakKbOf(child.pid ?? 0))), 20)
    const [output] = await Promise.all([text(child.stdout), once(child, 'close')])
    clearInterval(watch)
    const took = (performance.now() - start) / 1000
    const { tried, changed } = JSON.parse(output.trimEnd().split('\n').at(-1) ?? '{}') as Readonly<Record<string, number>>
    if (tried !== events || changed === 0) throw new Error(`bug: ${tried} of ${events} events tried, ${changed} changed`)
    const share = events / 1_000_000
    return [
      { name: `trust test over ${events} events`, value: took, unit: 's', target: 30 * share, better: 'less' },
      { name: 'trust test: peak memory', value: rssKb / 1024, unit: 'MiB', target: 500, better: 'less' }
    ]
  } finally {
    for (const root of [a, b]) rmSync(root, { recursive: true })
  }
}

/** The most memory that a process had so far; 0 once it is gone. */
function peakKbOf(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}

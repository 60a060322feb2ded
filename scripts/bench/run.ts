import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { interestRows } from './interest.ts'
import { registryRows } from './registry.ts'
import { replayRow } from './replay.ts'
import { appendRows, blobRow, type Row, syncRows } from './rows.ts'
import { verdictRows } from './verdicts.ts'

const quick = process.argv.includes('--quick')
const scale = quick ? 10 : 1
const rows: Row[] = []

function say({ name, value, unit, target, better }: Row): void {
  const met = better === 'more' ? value >= target : value <= target
  const shown = value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
  process.stdout.write(
    `${name.padEnd(52)} ${shown.padStart(12)} ${unit.padEnd(9)} target ${target.toLocaleString('en').padStart(10)}  ratio ${(value / target).toFixed(2)}  ${met ? 'met' : 'MISSED'}\n`
  )
}

function take(some: readonly Row[]): void {
  for (const row of some) say(row)
  rows.push(...some)
}

/** Runs hypercore's catch-up in the same run, from an installation of its own. */
function hypercoreRow(events: number): readonly Row[] {
  const folder = mkdtempSync(join(tmpdir(), 'rejoin-bench-hypercore-'))
  execFileSync('npm', ['install', '--silent', '--no-audit', '--no-fund', '--prefix', folder, 'hypercore@11.0.0'], {
    stdio: ['ignore', 'ignore', 'inherit']
  })
  copyFileSync(join(import.meta.dirname, '../../../shared/peers/hypercore.mjs'), join(folder, 'hypercore.mjs'))
  const { catchUp } = JSON.parse(
    execFileSync(process.execPath, ['hypercore.mjs', String(events)], { cwd: folder, encoding: 'utf8' })
  ) as { readonly catchUp: number }
  rmSync(folder, { recursive: true })
  const ours = rows.find(({ name }) => name.startsWith('catch-up'))?.value ?? 0
  return [
    { name: 'hypercore 11 catch-up, same run', value: catchUp, unit: 'events/s', target: 0, better: 'more' },
    { name: 'our catch-up against hypercore’s', value: ours / catchUp, unit: '×', target: 3.5, better: 'more' }
  ]
}

if (process.argv.includes('--stick')) take(await (await import('./stick.ts')).stickRows(scale))
if (process.argv.includes('--registry')) take(await registryRows(scale))
take(await appendRows(scale))
take(await syncRows(100_000 / scale, 1_000_000 / scale))
take(await blobRow((1024 * 1024 * 1024) / scale))
take(verdictRows())
take(await replayRow(1_000_000 / scale))
take(await interestRows(1_000_000 / scale))
if (process.argv.includes('--peers')) take(hypercoreRow(50_000 / scale))
mkdirSync('bench-results', { recursive: true })
const file = `bench-results/${new Date().toISOString().replaceAll(':', '-')}.json`
writeFileSync(file, `${JSON.stringify({ quick, node: process.version, rows }, null, 2)}\n`)
process.stdout.write(`written to ${file}\n`)

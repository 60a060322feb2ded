import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { env, execPath } from 'node:process'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { sharedPath } from '../shared.ts'
import { main } from '../command-line.ts'

// Each *.md here is a session in one shell. A line `$ command` is run, and what follows is what it prints, standard error included:
// `…` stands for anything within a line, a line of only `…` for any lines, and a last line `[exit N]` for an exit code other than 0.
// UPDATE=1 writes what is really printed into the pages; read the difference before committing it.

const folder = import.meta.dirname

interface Step {
  readonly command: string
  readonly expected: readonly string[]
}

function stepsOf(page: string): readonly Step[] {
  return [...page.matchAll(/```console\n([\s\S]*?)```/g)].flatMap(([, block = '']) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((part) => {
        const [command = '', ...expected] = part.replace(/\n$/, '').split('\n')
        return { command, expected }
      })
  )
}

/** Programs that the pages use besides rejoin. */
function tools(lab: string): Readonly<Record<string, string>> {
  return {
    rejoin: `#!/bin/sh\nexec "${execPath}" "${main}" "$@"\n`,
    'node-up': `#!/bin/sh
# brings the node of a data folder up, and waits until it is ready
: > "$1.up"
rejoin up --data "$1" --json --no-mdns --listen /ip4/127.0.0.1/tcp/0 > "$1.up" 2> "$1.err" & echo $! > "$1.pid"
until [ -s "$1.up" ]; do kill -0 "$(cat "$1.pid")" || exit 1; sleep 0.02; done\n`,
    'node-down': `#!/bin/sh
# asks it to end, and waits for that
kill "$(cat "$1.pid")"; while kill -0 "$(cat "$1.pid")" 2> "${lab}/ignored"; do sleep 0.02; done; cat "$1.err"\n`,
    has: `#!${execPath}
// names the members that a JSON line of standard input does not have, for each of its lines
const lines = require('fs').readFileSync(0, 'utf8').trim().split('\\n').map(JSON.parse)
for (const line of lines) console.log(line.kind ?? '-', process.argv.slice(2).filter((name) => !Object.hasOwn(line, name)).map((name) => 'no ' + name).join(' ') || 'has all')\n`,
    member: `#!${execPath}
// prints a member of each JSON line
for (const line of require('fs').readFileSync(0, 'utf8').trim().split('\\n')) console.log([JSON.parse(line)[process.argv[2]]].flat()[0])\n`
  }
}

async function play(steps: readonly Step[], lab: string): Promise<readonly string[]> {
  const bin = join(lab, 'bin')
  for (const name of ['bin', 'run', 'work']) mkdirSync(join(lab, name), { mode: 0o700 })
  for (const [name, script] of Object.entries(tools(lab))) {
    writeFileSync(join(bin, name), script)
    chmodSync(join(bin, name), 0o755)
  }
  const environment = {
    ...env,
    PATH: `${bin}:${env['PATH'] ?? ''}`,
    NO_COLOR: '1',
    NODE_OPTIONS: '',
    XDG_RUNTIME_DIR: join(lab, 'run'),
    XDG_STATE_HOME: join(lab, 'state'),
    REJOIN_DATA: 'alice',
    CORPUS: sharedPath('corpus')
  }
  const shell = spawn('sh', [], { cwd: join(lab, 'work'), env: environment, stdio: ['pipe', 'pipe', 'inherit'] })
  shell.stdin.end(`exec 2>&1 3< /dev/null\n${steps.map(({ command }) => `{ ${command}\n} <&3; echo "@@end $?"\n`).join('')}`)
  const [output] = await Promise.all([text(shell.stdout), once(shell, 'close')])
  const parts: string[] = []
  let part: string[] = []
  for (const line of output.split('\n')) {
    const end = /^(.*)@@end ([0-9]+)$/.exec(line)
    if (end === null) {
      part.push(line)
      continue
    }
    if (end[1] !== '') part.push(end[1] as string)
    if (end[2] !== '0') part.push(`[exit ${end[2] as string}]`)
    parts.push(part.join('\n'))
    part = []
  }
  return parts
}

function patternOf(expected: readonly string[]): RegExp {
  const lines = expected.map((line) =>
    line === '…'
      ? '(?:.*\\n)*?'
      : `${line
          .split('…')
          .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
          .join('.*')}\\n`
  )
  return new RegExp(`^${lines.join('')}$`)
}

/** Returns an output with what differs from run to run left out. */
function masked(output: string, lab: string): string {
  return output
    .replaceAll(join(lab, 'work'), '…')
    .replace(/sha256:[0-9a-f]{12,64}/g, 'sha256:…')
    .replace(/did:key:z[A-Za-z0-9]+/g, 'did:key:z…')
    .replace(/12D3KooW[A-Za-z0-9]+/g, '12D3KooW…')
    .replace(/[a-z2-7]{52}/g, '…')
    .replace(/\b[a-z2-7]{8}\//g, '…/')
    .replace(/20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z/g, '…Z')
    .replace(/\/tcp\/[0-9]+/g, '/tcp/…')
    .replace(/("id": "|"hlc": "|publicKey"?:? *"?)[0-9a-f]+/g, '$1…')
    .replace(/\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*/g, '+…')
    .replace(/[0-9]+ bytes$/gm, '… bytes')
}

function update(path: string, outputs: readonly string[], lab: string): void {
  let at = 0
  const page = readFileSync(path, 'utf8').replace(/```console\n([\s\S]*?)```/g, (_, block: string) => {
    const commands = block.split('\n').filter((line) => line.startsWith('$ '))
    return `\`\`\`console\n${commands.map((command) => `${command}\n${outputs[at] === '' ? (at++, '') : `${masked(outputs[at++] as string, lab)}\n`}`).join('')}\`\`\``
  })
  writeFileSync(path, page)
}

describe.concurrent('what the command line prints', () => {
  it.each(globSync('*.md', { cwd: folder }).toSorted())('%s', async (name) => {
    const lab = mkdtempSync(join(tmpdir(), 'rejoin-cli-'))
    try {
      const path = join(folder, name)
      const steps = stepsOf(readFileSync(path, 'utf8'))
      const outputs = await play(steps, lab)
      if (env['UPDATE'] === '1') update(path, outputs, lab)
      else {
        expect(outputs).toHaveLength(steps.length)
        for (const [i, { command, expected }] of steps.entries()) {
          const printed = outputs[i] === '' ? '' : `${outputs[i] as string}\n`
          if (!patternOf(expected).test(printed))
            expect(`$ ${command}\n${printed}`).toBe(`$ ${command}\n${expected.join('\n')}\n`)
        }
      }
    } finally {
      rmSync(lab, { recursive: true, force: true })
    }
  })
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { describe, expect, it } from 'vitest'
import { Lab } from '../e2e/process.ts'
import { configType, fresh, layerType, made, manifestType, Registry } from './conformance/client.ts'

/** What a process did to its files, and when it said 201, in order. */
type Step = { readonly call: 'sync' | 'rename' | 'created'; readonly path: string; readonly to: string }

/** Reads a trace of strace -f -y; a call counts where it ended. */
function stepsOf(trace: string): readonly Step[] {
  const begun = new Map<string, string>()
  return trace.split('\n').flatMap((line): readonly Step[] => {
    const thread = line.slice(0, line.indexOf(' '))
    let text = line.slice(thread.length).trim()
    if (text.endsWith('<unfinished ...>')) {
      begun.set(thread, text)
      return []
    }
    if (text.startsWith('<... ')) text = `${begun.get(thread) ?? ''} ${text}`
    const synced = /^f(?:data)?sync\(\d+<([^>]+)>.*= 0$/.exec(text)?.[1]
    if (synced !== undefined) return [{ call: 'sync', path: synced, to: '' }]
    const [, from, to] = /^rename\("([^"]+)", "([^"]+)".*= 0$/.exec(text) ?? []
    if (from !== undefined && to !== undefined) return [{ call: 'rename', path: from, to }]
    return text.includes('HTTP/1.1 201') ? [{ call: 'created', path: '', to: '' }] : []
  })
}

describe('a push', () => {
  it('REG-50, BLOB-3: has its blobs, their names and its event on the disk before the 201 of its manifest', async () => {
    await using lab = new Lab()
    await lab.init('site')
    const listen = ['--no-mdns', '--listen', '/ip4/127.0.0.1/tcp/0', '--http', '127.0.0.1:0']
    const node = lab.start(['up', '--data', lab.path('site'), '--json', ...listen])
    const { http } = JSON.parse(await node.line((line) => line.includes('"ready"'))) as { readonly http: string }
    const registry = new Registry(http)
    // folders that are made once are made now
    await registry.mustPut('team/app', await registry.image('team/app'), 'v0')
    const output = lab.path('trace')
    const calls = 'trace=fsync,fdatasync,rename,write,writev,sendmsg'
    const tracer = spawn('strace', ['-f', '-y', '-s', '20', '-e', calls, '-o', output, '-p', String(node.child.pid)])
    await once(createInterface(tracer.stderr), 'line')
    const config = await registry.described('team/app', fresh(), configType)
    const layer = await registry.described('team/app', fresh(10_000), layerType)
    const manifest = made({ schemaVersion: 2, mediaType: manifestType, config, layers: [layer] })
    await registry.mustPut('team/app', manifest, 'v1')
    const ended = once(tracer, 'exit')
    tracer.kill('SIGINT')
    await ended
    const steps = stepsOf(readFileSync(output, 'utf8'))
    const created = steps.flatMap(({ call }, at) => (call === 'created' ? [at] : []))
    expect(created).toHaveLength(3)
    const before = steps.slice(0, created[2])
    for (const { digest } of [config, layer, manifest]) {
      const hex = digest.slice(7)
      const named = before.findLastIndex(({ call, to }) => call === 'rename' && to.endsWith(`/blobs/sha256/${hex}`))
      const { path } = before[named] ?? { path: 'no such step' }
      expect(before.slice(0, named).some((step) => step.call === 'sync' && step.path === path)).toBe(true)
      expect(before.slice(named).some((step) => step.call === 'sync' && step.path.endsWith('site/blobs/sha256'))).toBe(true)
    }
    const folder = before.findLastIndex(({ call, path }) => call === 'sync' && path.endsWith('site/blobs/sha256'))
    expect(before.slice(folder).some(({ call, path }) => call === 'sync' && path.endsWith('.ndjson'))).toBe(true)
  })
})

import { describe, expect, it } from 'vitest'
import { Lab, type Running } from '../e2e/process.ts'
import { digestOf, layerType, made, manifestType, configType, Registry } from './conformance/client.ts'
import { freePort } from '../free-port.ts'

const pushCount = 200
const killCount = 4
const seed = Number(process.env['SEED'] ?? Date.now() % 100_000)

/** A small generator of numbers in [0, 1), the same for the same seed. */
function numbers(from: number): () => number {
  let state = from >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

describe('kill -9 in the middle of pushes', () => {
  it(`REG-51: the client tries again and succeeds, no partial blob is served, and verify passes (SEED=${seed})`, async () => {
    const random = numbers(seed)
    await using lab = new Lab()
    await lab.init('site')
    const port = await freePort()
    const up = async (): Promise<Running> => {
      const listen = ['--no-mdns', '--listen', '/ip4/127.0.0.1/tcp/0', '--http', `127.0.0.1:${port}`]
      const running = lab.start(['up', '--data', lab.path('site'), '--json', ...listen])
      await running.line(() => true)
      return running
    }
    let running = await up()
    const registry = new Registry(`http://127.0.0.1:${port}`)
    const kills = Array.from({ length: killCount }, () => Math.floor(random() * pushCount)).toSorted((a, b) => a - b)
    const layerOf = (i: number): Buffer =>
      Buffer.from(`layer ${seed} ${i} ${'x'.repeat(i % 20 === 0 ? 1_500_000 : (i * 97) % 3000)}`)
    const push = async (i: number): Promise<string> => {
      const config = await registry.described('team/app', Buffer.from(JSON.stringify({ os: 'linux', i })), configType)
      const layer = await registry.described('team/app', layerOf(i), layerType)
      const manifest = made({ schemaVersion: 2, mediaType: manifestType, config, layers: [layer] })
      await registry.mustPut('team/app', manifest, `t${i}`)
      return manifest.digest
    }
    const digests: string[] = []
    for (let i = 0; i < pushCount; ) {
      const killing = kills[0] === i
      if (killing) kills.shift()
      const pushing = push(i).catch((error: unknown) => error)
      if (killing) {
        for (let ticks = Math.floor(random() * 20); ticks > 0; ticks--) await new Promise((resolve) => setImmediate(resolve))
        await running.stop('SIGKILL')
        await pushing
        running = await up()
        // what is here of it, if anything, is whole
        const found = await registry.ask('GET', `/v2/team/app/blobs/${digestOf(layerOf(i))}`)
        if (found.status === 200) expect(digestOf(found.body)).toBe(digestOf(layerOf(i)))
        else expect(found.status).toBe(404)
        continue
      }
      const digest = await pushing
      if (typeof digest !== 'string') throw digest
      digests.push(digest)
      i++
    }
    for (const i of [0, ...Array.from({ length: 20 }, () => Math.floor(random() * pushCount)), pushCount - 1]) {
      const manifest = await registry.ask('GET', `/v2/team/app/manifests/t${i}`)
      expect([manifest.status, digestOf(manifest.body)]).toEqual([200, digests[i]])
      const layer = await registry.ask('GET', `/v2/team/app/blobs/${digestOf(layerOf(i))}`)
      expect(layer.body.equals(layerOf(i))).toBe(true)
    }
    expect(await registry.tags('team/app')).toHaveLength(pushCount)
    expect(await running.stop()).toBe(0)
    const events = (await lab.ask('site', 'log')).filter(({ kind }) => kind === 'event')
    // a push whose answer was lost is not published twice
    expect(events).toHaveLength(pushCount + 1)
    expect((await lab.run(['verify', '--data', lab.path('site')])).code).toBe(0)
  })
})

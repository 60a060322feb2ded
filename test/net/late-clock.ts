// A node whose clock is two hours behind. It prints its address, and on SIGUSR2 dials the address it was given and says so.
import { openHost } from '../../src/net/index.ts'

const RightDate = Date
const lateByMs = 2 * 60 * 60 * 1000
class LateDate extends RightDate {
  constructor(...given: readonly unknown[]) {
    super(...((given.length > 0 ? given : [RightDate.now() - lateByMs]) as [number]))
  }

  static override now(): number {
    return RightDate.now() - lateByMs
  }
}
globalThis.Date = LateDate as DateConstructor

const seed = crypto.getRandomValues(new Uint8Array(32))
const host = await openHost({ seed, network: 'test', listen: ['/ip4/127.0.0.1/tcp/0'], peers: [], mdns: false })
await host.handle('/test/1', async (stream) => await stream.close())
process.on('SIGUSR2', () => {
  void host.dial(process.argv[2] as string, { signal: AbortSignal.timeout(10_000) }).then(
    () => console.log('dialled'),
    (error: unknown) => console.log(String(error))
  )
})
process.on('SIGTERM', () => {
  void host[Symbol.asyncDispose]().then(() => process.exit(0))
})
console.log(host.addresses()[0])

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

/** The other process of a benchmark. */
export interface Other {
  readonly address: string
  readonly ask: (message: object) => Promise<Readonly<Record<string, unknown>>>
  readonly end: () => Promise<void>
}

/** Starts the other process on a data folder. */
export async function startOther(root: string): Promise<Other> {
  const child: ChildProcess = fork(join(import.meta.dirname, 'peer-process.ts'), [root])
  const [{ address }] = (await once(child, 'message')) as [{ readonly address: string }]
  return {
    address,
    async ask(message) {
      const reply = once(child, 'message')
      child.send(message)
      return ((await reply) as [Readonly<Record<string, unknown>>])[0]
    },
    async end() {
      const gone = once(child, 'exit')
      child.send({ end: true })
      await gone
    }
  }
}

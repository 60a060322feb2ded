import { RejoinError, type Schedule } from '../core/index.ts'
import { BlobClient } from './blob-client.ts'
import type { ByteStream } from './byte-stream.ts'

/** Someone who may have blobs. */
export interface BlobSource {
  /** distinguishes it from the other sources */
  readonly name: string
  /** Opens a new stream of the blob protocol to it; must settle in bounded time. */
  readonly open: () => Promise<ByteStream>
}

const maxFailures = 3
const firstWindow = 2
const maxWindow = 16
const maxFlying = 2

const unneeded = (): RejoinError => new RejoinError('E_GONE', 'what was asked is no longer needed')

/** A source while something is fetched from it: its stream, opened when needed and opened again after it broke. */
export class SourceLink {
  readonly name: string
  private readonly source: BlobSource
  private opening: Promise<BlobClient> | undefined
  private client: BlobClient | undefined
  private attempt = 0
  private failures = 0
  private window = firstWindow

  constructor(source: BlobSource) {
    this.name = source.name
    this.source = source
  }

  /** Whether it failed so often, with nothing brought in between, that it is not asked again. */
  get isDead(): boolean {
    return this.failures >= maxFailures
  }

  /** How many chunks to ask for at a time: few at first, so that a slow source gets few. */
  get windowCount(): number {
    return this.window
  }

  /** Returns an end that can be asked. @throws what opening the stream throws */
  async ready(): Promise<BlobClient> {
    if (this.client?.hasFailed === true) this.drop()
    if (this.opening === undefined) {
      const attempt = ++this.attempt
      this.opening = this.source.open().then((stream) => {
        const client = new BlobClient(stream)
        if (attempt === this.attempt) this.client = client
        else client.abort(unneeded())
        return client
      })
    }
    return await this.opening
  }

  /** The number of the stream that is asked; a new one for each that is opened. */
  get attemptNumber(): number {
    return this.attempt
  }

  /** Notes that it brought something. */
  brought(): void {
    this.failures = 0
    this.window = Math.min(maxWindow, this.window * 2)
  }

  /** Notes that a stream broke, once for each; it is asked again on a new one, unless it is dead. */
  broke(attempt: number): void {
    if (attempt !== this.attempt) return
    this.failures++
    this.window = firstWindow
    this.drop()
  }

  /** Ends its stream, with whatever was asked there. */
  drop(): void {
    this.attempt++
    this.client?.abort(unneeded())
    this.client = undefined
    this.opening = undefined
  }

  /** Ends its stream in good order. */
  async end(): Promise<void> {
    const { client } = this
    // it stays the client meanwhile, so that drop() ends this, too
    if (client !== undefined && !client.hasFailed) await client.end().catch(() => {})
    this.client = undefined
    this.opening = undefined
  }
}

/** What several tasks wait for together. */
export class Bell {
  private waiting: (() => void)[] = []

  /** Resolves at the next ring. */
  async rung(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.waiting.push(resolve)
    })
  }

  /** Wakes all that wait. */
  ring(): void {
    for (const wake of this.waiting.splice(0)) wake()
  }
}

/** How a source's part of a schedule is brought. */
export interface Bringing {
  readonly schedule: Schedule
  readonly bell: Bell
  /** how many items to take at a time */
  readonly batchCount: () => number
  /** Asks for items; must finish or give back each of them in the schedule, and ring. @throws where the source fails */
  readonly ask: (client: BlobClient, items: readonly number[]) => Promise<void>
  /** whether it is no use to go on */
  readonly isOver: () => boolean
}

/** Lets one source bring what it can, until nothing is left that it could bring. Never throws: a source that fails gives back its items. */
export async function bring(link: SourceLink, { schedule, bell, batchCount, ask, isOver }: Bringing): Promise<void> {
  const flying = new Set<Promise<void>>()
  const fly = async (items: readonly number[]): Promise<void> => {
    const opening = link.ready()
    const attempt = link.attemptNumber
    let client: BlobClient | undefined
    try {
      client = await opening
      await ask(client, items)
      link.brought()
    } catch {
      // Whatever it was holding goes to others at once; of the requests that fail with one stream only the first counts.
      if (client === undefined || client.hasFailed) link.broke(attempt)
      for (const item of items) schedule.giveBack(link.name, item, { cannot: false })
      bell.ring()
    }
  }
  while (!isOver() && !link.isDead && schedule.leftCount > 0) {
    const items = flying.size < maxFlying ? schedule.take(link.name, batchCount()) : []
    if (items.length > 0) {
      const flight = fly(items).finally(() => flying.delete(flight))
      flying.add(flight)
    } else if (flying.size > 0 || schedule.mayTakeLater(link.name)) await Promise.race([...flying, bell.rung()])
    else break
  }
  if (flying.size > 0) link.drop()
  await Promise.all(flying)
  schedule.release(link.name)
  bell.ring()
}

import { Level } from 'level'
import { isDigest, type Json, type LogId, type RejoinEvent, RejoinError, tileWidth } from '../core/index.ts'

/** Where an event stands. */
export interface EventRef {
  readonly log: LogId
  readonly index: number
}

/** An event with its place, as the index takes it in. */
export interface PlacedEvent {
  readonly index: number
  readonly event: RejoinEvent
}

/** A tag of a repository, as one event set it. */
export interface TagRef extends EventRef {
  readonly repository: string
  readonly tag: string
  readonly hlc: string
}

/** What one aligned group of 256 entries holds: for each type the entries that have it, and the span of their clocks. */
interface TileSummary {
  readonly tile: number
  readonly types: Map<string, Uint8Array>
  minHlc: string
  maxHlc: string
}

type Put = { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
type Del = { readonly type: 'del'; readonly key: string }

/** goes up when a key is added, so that an index that was made before lacks none */
const keyVersion = '2'
const nothing = new Uint8Array(0)
/** keys that may wait to be written */
const maxQueued = 20_000
const digits = (index: number): string => String(index).padStart(12, '0')
const text = (value: Uint8Array): string => Buffer.from(value).toString('latin1')
const encode = (value: string): Uint8Array => Buffer.from(value, 'latin1')

/**
 * The index of events by subject, referrer, tag, type, time and author, in level below `index/`. It is derived: whatever it holds
 * is a function of the logs' visible lines, so that it can be deleted and made again, key by key the same.
 *
 * Keys: `s!<subject>!<log>!<index>` · `r!<digest>!<log>!<index>` · `g!<repository>!<tag>!<hlc>!<log>!<index>` ·
 * `p!<repository>!<log>!<index>` ·
 * `y!<type>!<log>!<tile>` (256-bit set) · `t!<log>!<tile>` (smallest and largest clock) · `a!<did>!<log>` · `m!<log>` (entries indexed) ·
 * `v!` (version of these keys; an index of another version is emptied, and so made again).
 */
export class EventIndex {
  private readonly level: Level<string, Uint8Array>
  private readonly summaries = new Map<LogId, TileSummary>()
  private readonly sizes = new Map<LogId, number>()
  private queue: (Put | Del)[] = []
  /** the newest value of keys that are put again and again; undefined to delete one */
  private readonly changing = new Map<string, Uint8Array | undefined>()
  private writing: Promise<void> | undefined
  private batchDone: Promise<void> | undefined
  private failure: unknown

  private constructor(level: Level<string, Uint8Array>) {
    this.level = level
  }

  /**
   * Opens the index, and with it locks the data folder against other processes.
   * @throws E_LOCKED where another process has it open
   */
  static async open(path: string): Promise<EventIndex> {
    const level = new Level<string, Uint8Array>(path, { valueEncoding: 'view' })
    try {
      await level.open()
    } catch (error) {
      const cause = (error as { cause?: { code?: string } }).cause
      if (cause?.code === 'LEVEL_LOCKED') {
        throw new RejoinError('E_LOCKED', `another process has the data folder open: ${path}`, {
          cause: error,
          hint: 'is a node up with this --data? commands use it by themselves when they can reach its socket'
        })
      }
      throw new RejoinError('E_IO', `the index at ${path} cannot be opened`, {
        cause: error,
        hint: 'rejoin doctor --reindex makes it again from the logs'
      })
    }
    const index = new EventIndex(level)
    const version = await level.get('v!')
    if (version === undefined || text(version) !== keyVersion) await index.clear()
    for await (const [key, value] of level.iterator({ gte: 'm!', lt: 'm"' }))
      index.sizes.set(key.slice(2) as LogId, Number(text(value)))
    return index
  }

  /** Returns the logs of which entries are indexed. */
  logs(): readonly LogId[] {
    return [...this.sizes.keys()]
  }

  /** Returns how many entries of a log are indexed. */
  sizeOf(log: LogId): number {
    return this.sizes.get(log) ?? 0
  }

  /**
   * Takes in the events of consecutive entries of a log; withheld entries among them are left out of `events`.
   * @param from index of the first entry, which must be sizeOf(log)
   * @param readEarlier returns the events of [tileStart, from), called when a tile is gone on with after a restart
   */
  add(
    log: LogId,
    from: number,
    count: number,
    events: readonly PlacedEvent[],
    readEarlier: (tileStart: number) => readonly PlacedEvent[]
  ): void {
    const puts = this.queue
    let summary = this.summaries.get(log)
    const firstTile = Math.floor(from / tileWidth)
    if (summary?.tile !== firstTile) {
      summary = { tile: firstTile, types: new Map(), minHlc: '', maxHlc: '' }
      if (from % tileWidth !== 0) for (const placed of readEarlier(firstTile * tileWidth)) note(summary, placed)
    }
    if (from === 0 && events[0] !== undefined)
      puts.push({ type: 'put', key: `a!${events[0].event.source}!${log}`, value: nothing })
    for (const placed of events) {
      const { index, event } = placed
      const tile = Math.floor(index / tileWidth)
      if (summary.tile !== tile) {
        putSummary(this.changing, log, summary)
        summary = { tile, types: new Map(), minHlc: '', maxHlc: '' }
      }
      note(summary, placed)
      putEvent(puts, log, index, event)
    }
    putSummary(this.changing, log, summary)
    this.summaries.set(log, summary)
    this.sizes.set(log, from + count)
    this.changing.set(`m!${log}`, encode(String(from + count)))
    this.writing ??= this.drain()
  }

  /**
   * Takes note that other events of a tile are visible than before.
   * @param tile number of an aligned group of 256 entries
   */
  replace(log: LogId, tile: number, before: readonly PlacedEvent[], after: readonly PlacedEvent[]): void {
    const gone = new Set<string>()
    for (const { index, event } of before) putEvent({ push: ({ key }) => gone.add(key) }, log, index, event)
    const puts: Put[] = []
    for (const { index, event } of after) putEvent(puts, log, index, event)
    for (const { key } of puts) gone.delete(key)
    for (const key of gone) this.queue.push({ type: 'del', key })
    for (const put of puts) this.queue.push(put)
    const old = summaryOf(tile, before)
    const summary = summaryOf(tile, after)
    for (const type of old.types.keys()) this.changing.set(`y!${type}!${log}!${digits(tile)}`, undefined)
    this.changing.set(`t!${log}!${digits(tile)}`, undefined)
    putSummary(this.changing, log, summary)
    if (this.summaries.get(log)?.tile === tile) this.summaries.set(log, summary)
    this.writing ??= this.drain()
  }

  /** Writes what is queued, one batch at a time: what comes meanwhile goes together, and a key that is put twice is written once. */
  private async drain(): Promise<void> {
    while (this.queue.length + this.changing.size > 0) {
      const batch = this.queue
      this.queue = []
      for (const [key, value] of this.changing)
        batch.push(value === undefined ? { type: 'del', key } : { type: 'put', key, value })
      this.changing.clear()
      this.batchDone = this.level.batch(batch).catch((error: unknown) => {
        this.failure ??= error
      })
      await this.batchDone
    }
    this.writing = undefined
  }

  /** Waits until there is room for more; a write that failed shows at the next flush. */
  async room(): Promise<void> {
    while (this.queue.length > maxQueued) await this.batchDone
  }

  /** Waits until there is room for more (`all` false) or all of it is written. @throws E_IO where a write failed */
  async flush({ all }: { readonly all: boolean }): Promise<void> {
    if (all) await this.writing
    else await this.room()
    if (this.failure !== undefined) {
      throw new RejoinError('E_IO', 'the index cannot be written', {
        cause: this.failure,
        hint: 'rejoin doctor --reindex makes it again from the logs'
      })
    }
  }

  /** Returns the events about a subject. */
  async bySubject(subject: string): Promise<readonly EventRef[]> {
    return this.refs(`s!${subject}!`)
  }

  /** Returns the events whose artifacts refer to a digest. */
  async referrers(digest: string): Promise<readonly EventRef[]> {
    return this.refs(`r!${digest}!`)
  }

  /** Returns the events that set a tag of a repository, the oldest first; of all tags or repositories where left out. */
  async tags(repository?: string, tag?: string): Promise<readonly TagRef[]> {
    const prefix = repository === undefined ? 'g!' : tag === undefined ? `g!${repository}!` : `g!${repository}!${tag}!`
    const found: TagRef[] = []
    for (const key of await this.keys(prefix)) {
      const [, name = '', label = '', hlc = '', log = '', index = ''] = key.split('!')
      found.push({ repository: name, tag: label, hlc, log: log as LogId, index: Number(index) })
    }
    return found
  }

  /** Returns the events that name a repository, as its writers call it, log by log. */
  async inRepository(repository: string): Promise<readonly EventRef[]> {
    return this.refs(`p!${repository}!`)
  }

  /** Yields the repositories that events name, in order of their names, each with the logs that name it. */
  async *repositories(): AsyncGenerator<{ readonly repository: string; readonly logs: readonly LogId[] }, void, void> {
    await this.flush({ all: true })
    let logs: LogId[] = []
    let last = ''
    for (let after = 'p!'; ; ) {
      const [key] = await this.level.keys({ gt: after, lt: 'p"', limit: 1 }).all()
      const [, repository = '', log = ''] = key?.split('!') ?? []
      if (logs.length > 0 && repository !== last) {
        yield { repository: last, logs }
        logs = []
      }
      if (key === undefined) return
      last = repository
      logs.push(log as LogId)
      after = `p!${repository}!${log}!\uffff`
    }
  }

  /** Returns the events of a type, log by log. */
  async byType(type: string): Promise<readonly EventRef[]> {
    const found: EventRef[] = []
    await this.flush({ all: true })
    for await (const [key, bits] of this.level.iterator({ gte: `y!${type}!`, lt: `y!${type}"` })) {
      const [, , log = '', tile = ''] = key.split('!')
      for (let i = 0; i < tileWidth; i++) {
        if (((bits[i >> 3] as number) >> (i & 7)) & 1) found.push({ log: log as LogId, index: Number(tile) * tileWidth + i })
      }
    }
    return found
  }

  /** Returns the groups of 256 entries that hold an event with a clock in [from, to]. */
  async tilesBetween(from: string, to: string): Promise<readonly { readonly log: LogId; readonly tile: number }[]> {
    const found: { readonly log: LogId; readonly tile: number }[] = []
    await this.flush({ all: true })
    for await (const [key, value] of this.level.iterator({ gte: 't!', lt: 't"' })) {
      const span = text(value)
      const [, log = '', tile = ''] = key.split('!')
      if (span.slice(0, 16) <= to && span.slice(16) >= from) found.push({ log: log as LogId, tile: Number(tile) })
    }
    return found
  }

  /** Returns the logs of an author, by did:key. */
  async byAuthor(did: string): Promise<readonly LogId[]> {
    return (await this.keys(`a!${did}!`)).map((key) => key.split('!')[2] as LogId)
  }

  private async keys(prefix: string): Promise<readonly string[]> {
    await this.flush({ all: true })
    return await this.level.keys({ gte: prefix, lt: `${prefix}\uffff` }).all()
  }

  private async refs(prefix: string): Promise<readonly EventRef[]> {
    return (await this.keys(prefix)).map((key) => {
      const [log = '', index = ''] = key.slice(prefix.length).split('!')
      return { log: log as LogId, index: Number(index) }
    })
  }

  /** Deletes everything in the index. */
  async clear(): Promise<void> {
    await this.flush({ all: true })
    await this.level.clear()
    await this.level.put('v!', encode(keyVersion))
    this.sizes.clear()
    this.summaries.clear()
    this.failure = undefined
  }

  /** Returns every key and value in order, for comparing two indexes. */
  async *dump(): AsyncIterable<string> {
    await this.flush({ all: true })
    for await (const [key, value] of this.level.iterator()) yield `${key} ${Buffer.from(value).toString('hex')}`
  }

  /** Closes the index and gives the lock back; idempotent. */
  async close(): Promise<void> {
    await this.writing
    await this.level.close()
  }
}

function summaryOf(tile: number, events: readonly PlacedEvent[]): TileSummary {
  const summary: TileSummary = { tile, types: new Map(), minHlc: '', maxHlc: '' }
  for (const placed of events) note(summary, placed)
  return summary
}

function note(summary: TileSummary, { index, event }: PlacedEvent): void {
  let bits = summary.types.get(event.type)
  if (bits === undefined) {
    bits = new Uint8Array(tileWidth / 8)
    summary.types.set(event.type, bits)
  }
  const slot = index % tileWidth
  bits[slot >> 3] = (bits[slot >> 3] as number) | (1 << (slot & 7))
  if (summary.minHlc === '' || event.hlc < summary.minHlc) summary.minHlc = event.hlc
  if (event.hlc > summary.maxHlc) summary.maxHlc = event.hlc
}

function putSummary(puts: Map<string, Uint8Array | undefined>, log: LogId, { tile, types, minHlc, maxHlc }: TileSummary): void {
  if (types.size === 0) return
  for (const [type, bits] of types) puts.set(`y!${type}!${log}!${digits(tile)}`, bits.slice())
  puts.set(`t!${log}!${digits(tile)}`, encode(minHlc + maxHlc))
}

function putEvent(puts: { readonly push: (put: Put) => unknown }, log: LogId, index: number, event: RejoinEvent): void {
  const place = `${log}!${digits(index)}`
  if (event.subject !== undefined) puts.push({ type: 'put', key: `s!${event.subject}!${place}`, value: nothing })
  const { refers, repository, tag } = event.data
  if (typeof refers === 'string' && isDigest(refers)) puts.push({ type: 'put', key: `r!${refers}!${place}`, value: nothing })
  if (isPart(repository)) puts.push({ type: 'put', key: `p!${repository}!${place}`, value: nothing })
  if (isPart(repository) && isPart(tag))
    puts.push({ type: 'put', key: `g!${repository}!${tag}!${event.hlc}!${place}`, value: nothing })
}

/** Returns whether a value may stand in a key as the name of a repository or tag. */
function isPart(value: Json | undefined): value is string {
  return typeof value === 'string' && value.length <= 255 && /^[A-Za-z0-9_][A-Za-z0-9._/-]*$/.test(value)
}

import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { RejoinError, utf8 } from '../core/index.ts'
import { type BlobStore, type BlobUpload, replaceFileSync, uploadPath } from '../store/index.ts'
import { isUploadId } from './route.ts'

/** The digest algorithm that an upload is hashed with while it comes. */
export type UploadAlgorithm = 'sha256' | 'sha512'

/** An upload that was begun and not finished. */
export interface Session {
  readonly id: string
  readonly name: string
  readonly algorithm: UploadAlgorithm
  /** whether there are files of it */
  hasFiles: boolean
  /** what has come, once anything has */
  upload: BlobUpload | undefined
  lastMs: number
  /** settles once the request that is at work has ended */
  busy: Promise<unknown>
  /** ends the request that is at work */
  interrupt: (() => void) | undefined
}

/** sessions that hold nothing yet are only remembered: this many */
const maxSessions = 10_000
/** a file that nobody adds to is closed after this, in milliseconds; it stays */
const idleMs = 60_000
const sweepMs = 30_000

/**
 * The uploads that clients have begun. What has come of one is in `tmp/upload-<id>.part`, and `tmp/upload-<id>.json` says of which repository
 * it is, so that a client can go on with it after the node was started again.
 */
export class Uploads implements AsyncDisposable {
  private readonly blobs: BlobStore
  private readonly expiryMs: number
  private readonly sessions = new Map<string, Session>()
  private readonly timer: NodeJS.Timeout

  /** @param expiryMs what nobody adds to is deleted after this */
  constructor(blobs: BlobStore, expiryMs: number) {
    this.blobs = blobs
    this.expiryMs = expiryMs
    this.sweepFiles()
    this.timer = setInterval(() => void this.sweep(), Math.min(sweepMs, expiryMs))
    this.timer.unref()
  }

  /** Begins an upload. */
  begin(name: string, algorithm: UploadAlgorithm): Session {
    for (const [id, session] of this.sessions) {
      if (this.sessions.size < maxSessions) break
      if (session.upload === undefined) this.sessions.delete(id)
    }
    const session = newSession(randomUUID(), name, algorithm)
    this.sessions.set(session.id, session)
    return session
  }

  /** Returns an upload, also one that another run of the node began; undefined where there is none in that repository. */
  find(id: string, name: string): Session | undefined {
    if (!isUploadId(id)) return undefined
    const session = this.sessions.get(id) ?? this.recall(id)
    return session?.name === name ? session : undefined
  }

  private recall(id: string): Session | undefined {
    try {
      const { name, algorithm } = JSON.parse(readFileSync(this.notePath(id), 'utf8')) as Session
      const session = newSession(id, name, algorithm === 'sha512' ? 'sha512' : 'sha256')
      session.hasFiles = true
      this.sessions.set(id, session)
      return session
    } catch {
      return undefined
    }
  }

  private notePath(id: string): string {
    return join(this.blobs.root, 'tmp', `upload-${id}.json`)
  }

  /** Returns how many bytes of an upload have come. */
  offset({ id, upload, hasFiles }: Session): number {
    if (!hasFiles) return 0
    return upload?.sizeBytes ?? statSync(uploadPath(this.blobs.root, id), { throwIfNoEntry: false })?.size ?? 0
  }

  /** Runs one request's work on an upload; one that is at work already is cut off first, as its client has given it up. */
  async exclusively<T>(session: Session, interrupt: () => void, work: () => Promise<T>): Promise<T> {
    session.interrupt?.()
    session.interrupt = interrupt
    session.lastMs = Date.now()
    const run = session.busy.then(work)
    session.busy = run.then(
      () => {},
      () => {}
    )
    try {
      return await run
    } finally {
      session.lastMs = Date.now()
      if (session.interrupt === interrupt) session.interrupt = undefined
    }
  }

  /** Returns the open file of an upload. @param sizeBytes in all, where that is known @throws E_NO_SPACE E_IO */
  async open(session: Session, sizeBytes: number | undefined): Promise<BlobUpload> {
    if (session.upload === undefined) {
      session.hasFiles = true
      replaceFileSync(this.notePath(session.id), utf8(JSON.stringify({ name: session.name, algorithm: session.algorithm })), {
        durable: false
      })
      session.upload = await this.blobs.upload(session.id, { algorithm: session.algorithm, sizeBytes })
    }
    return session.upload
  }

  /** Forgets an upload that became a blob. */
  done({ id, hasFiles }: Session): void {
    this.sessions.delete(id)
    if (hasFiles) rmSync(this.notePath(id), { force: true })
  }

  /** Deletes an upload and what has come of it. */
  async cancel(session: Session): Promise<void> {
    this.done(session)
    await session.upload?.discard()
    if (session.hasFiles) rmSync(uploadPath(this.blobs.root, session.id), { force: true })
  }

  /** Closes files that nobody adds to, and deletes what was given up. */
  private async sweep(): Promise<void> {
    const nowMs = Date.now()
    for (const session of [...this.sessions.values()]) {
      if (session.interrupt !== undefined) continue
      if (nowMs - session.lastMs > this.expiryMs) await this.cancel(session)
      else if (session.upload !== undefined && nowMs - session.lastMs > idleMs) {
        const { upload } = session
        session.upload = undefined
        await upload[Symbol.asyncDispose]()
      }
    }
    this.sweepFiles()
  }

  private sweepFiles(): void {
    const folder = join(this.blobs.root, 'tmp')
    for (const name of readdirSync(folder)) {
      const id = /^upload-([0-9a-f-]{36})\.(?:part|json)$/.exec(name)?.[1]
      if (id === undefined || this.sessions.has(id)) continue
      const stat = statSync(join(folder, name), { throwIfNoEntry: false })
      if (stat !== undefined && Date.now() - stat.mtimeMs > this.expiryMs) rmSync(join(folder, name), { force: true })
    }
  }

  /** Closes all files; what has come stays for the next run. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.timer)
    for (const session of this.sessions.values()) {
      session.interrupt?.()
      await session.busy
      await session.upload?.[Symbol.asyncDispose]()
    }
    this.sessions.clear()
  }
}

function newSession(id: string, name: string, algorithm: UploadAlgorithm): Session {
  return {
    id,
    name,
    algorithm,
    hasFiles: false,
    upload: undefined,
    lastMs: Date.now(),
    busy: Promise.resolve(),
    interrupt: undefined
  }
}

/** Returns whether an error says that an upload's bytes were not what they were said to be; then nothing of it is left. */
export function isSpoiled(error: unknown): boolean {
  return error instanceof RejoinError && error.code === 'E_BAD_OBJECT'
}

import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  unlinkSync
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { hex, isObject, parseStrict, RejoinError, sha256, textOf, utf8 } from '../core/index.ts'
import { ioError, syncFolderSync, writeFullySync } from './file.ts'
import { Outside } from './outside.ts'

/** The file of whoever writes to a medium. It may be deleted, as all of `tmp/`: then nothing protects from a second writer. */
export const mediumLockPath = 'tmp/lock'

const maxLockBytes = 4096
/** how often a holder shows that it lives, in milliseconds */
const beatMs = 2000
/** a holder that nothing is known of is dead once it did not show itself for so long, by the clock of who waits, which only goes forward */
const watchMs = 20_000
/** a lock without content is of a run that died between two system calls, or of a medium that was pulled out then */
const emptyWatchMs = 3000
const askMs = 250
const beatDigits = 10

/** How a lock is waited for. */
export interface LockOptions {
  readonly signal: AbortSignal
  /** true: the file tells no host name and no time */
  readonly isOpaque?: boolean
  /** called before it is watched whether a holder elsewhere still lives, with how long that takes */
  readonly onWatch?: (watchMs: number) => void
  /** another time to watch, for tests */
  readonly watchMs?: number
}

/** Who holds a lock, as its file says. */
interface Holder {
  readonly nonce: string
  /** digest of the nonce, the boot of the machine and the space of process numbers, where these can be told */
  readonly place: string | undefined
  readonly pid: number
  /** when the process began, as the kernel counts it since the boot: process numbers come again */
  readonly started: string | undefined
  readonly host: string | undefined
  readonly time: string | undefined
}

/** The right to write to a medium, held until it is disposed. */
export interface MediumLock extends AsyncDisposable {
  /** ends with E_LOCKED where somebody else took the lock, believing that this process was dead */
  readonly lost: AbortSignal
}

/**
 * Takes the lock of a medium, so that two runs don't write to it at the same time. The lock of a process of this machine that ended is taken at once; of a holder on another
 * machine, or in another container, it is watched whether it still counts up. No clock is compared with another one.
 * @throws E_LOCKED where somebody writes there · E_PERMISSION E_NO_SPACE E_IO E_GONE
 */
export async function lockMedium(root: string, options: LockOptions): Promise<MediumLock> {
  const made = makeFolders(root)
  try {
    for (;;) {
      options.signal.throwIfAborted()
      const lock = Held.create(root, made, options.isOpaque === true)
      if (lock !== undefined) return lock
      await untilFree(root, options)
    }
  } catch (error) {
    removeFolders(root, made)
    throw error
  }
}

type Made = readonly string[]

function makeFolders(root: string): Made {
  const made: string[] = []
  for (const path of [root, join(root, 'tmp')])
    try {
      mkdirSync(path)
      made.unshift(path)
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw ioError(cause, 'make', path)
    }
  return made
}

/** Leaves nothing behind where nothing was written. */
function removeFolders(root: string, made: Made): void {
  if (existsSync(join(root, 'replica.json'))) return
  for (const path of made)
    try {
      rmdirSync(path)
    } catch {
      // something is in it, or it went away with the medium
      return
    }
}

/** Waits until a lock is gone, or takes it away where its holder is dead. @throws E_LOCKED */
async function untilFree(root: string, { signal, onWatch, watchMs: longMs = watchMs }: LockOptions): Promise<void> {
  const found = read(root)
  if (found === undefined) return
  const holder = holderIn(found)
  if (holder?.place !== undefined && holder.place === placeOf(holder.nonce)) {
    if (isAlive(holder)) throw locked(root, holder)
    return takeAway(root, found)
  }
  const limitMs = holder === undefined ? Math.min(emptyWatchMs, longMs) : longMs
  onWatch?.(limitMs)
  for (const start = performance.now(); performance.now() - start < limitMs; ) {
    await setTimeout(askMs, undefined, { signal })
    const now = read(root)
    if (now === undefined) return
    if (now !== found) throw locked(root, holderIn(now))
  }
  takeAway(root, found)
}

/** Takes a dead holder's lock away: moved aside first, and looked at, since somebody else may have been faster. */
function takeAway(root: string, found: string): void {
  const path = join(root, mediumLockPath)
  const aside = `${path}.${hex(randomBytes(8))}.part`
  try {
    renameSync(path, aside)
    if (readFileSync(aside, 'latin1').slice(0, maxLockBytes) === found) unlinkSync(aside)
    else renameSync(aside, path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw ioError(cause, 'take', path)
  }
}

class Held implements MediumLock {
  private readonly root: string
  private readonly made: Made
  private readonly fd: number
  private readonly nonce: string
  private readonly beatAt: number
  private readonly ending = new AbortController()
  private readonly timer: NodeJS.Timeout
  private beats = 0

  private constructor(root: string, made: Made, fd: number, nonce: string, beatAt: number) {
    this.root = root
    this.made = made
    this.fd = fd
    this.nonce = nonce
    this.beatAt = beatAt
    this.timer = setInterval(() => this.beat(), beatMs).unref()
  }

  /** Makes the file, or returns undefined where there is one. */
  static create(root: string, made: Made, isOpaque: boolean): Held | undefined {
    const path = join(root, mediumLockPath)
    const nonce = hex(randomBytes(16))
    const line = `${JSON.stringify({
      format: 'rejoin-lock',
      nonce,
      place: placeOf(nonce),
      pid: process.pid,
      started: startOf(process.pid),
      ...(!isOpaque && { host: hostname(), time: new Date().toISOString() })
    })}\n`
    let fd: number
    try {
      fd = openSync(path, 'wx')
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return undefined
      throw ioError(cause, 'create', path)
    }
    try {
      writeFullySync(fd, utf8(`${line}${'0'.repeat(beatDigits)}\n`), 0, path)
      fsyncSync(fd)
      syncFolderSync(join(root, 'tmp'))
      return new Held(root, made, fd, nonce, utf8(line).length)
    } catch (cause) {
      closeQuietly(fd)
      drop(path)
      throw ioError(cause, 'write', path)
    }
  }

  get lost(): AbortSignal {
    return this.ending.signal
  }

  /** Counts up in place, for who watches from another machine. */
  private beat(): void {
    try {
      const found = read(this.root)
      if (found !== undefined && !this.isOwn(found)) {
        clearInterval(this.timer)
        this.ending.abort(locked(this.root, holderIn(found)))
        return
      }
      writeFullySync(this.fd, utf8(String(++this.beats).padStart(beatDigits, '0')), this.beatAt, mediumLockPath)
    } catch {
      // a full or absent medium shows where something is written to it
    }
  }

  private isOwn(found: string): boolean {
    return holderIn(found)?.nonce === this.nonce
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.timer)
    closeQuietly(this.fd)
    try {
      const found = read(this.root)
      if (found !== undefined && this.isOwn(found)) drop(join(this.root, mediumLockPath))
    } catch {
      // it went away with the medium
    }
    removeFolders(this.root, this.made)
    await Promise.resolve()
  }
}

function closeQuietly(fd: number): void {
  try {
    closeSync(fd)
  } catch {
    // of a medium that was pulled out
  }
}

function drop(path: string): void {
  try {
    unlinkSync(path)
  } catch {
    // it went away with the medium
  }
}

function read(root: string): string | undefined {
  const bytes = new Outside(root).readRange(mediumLockPath, 0, maxLockBytes)
  return bytes && Buffer.from(bytes).toString('latin1')
}

function holderIn(text: string): Holder | undefined {
  try {
    const value = parseStrict(utf8(text.split('\n')[0] ?? ''), { maxBytes: maxLockBytes, maxDepth: 2 })
    const { format, nonce, pid, ...rest } = isObject(value) ? value : {}
    if (format !== 'rejoin-lock' || typeof nonce !== 'string' || typeof pid !== 'number') return undefined
    const word = (name: string): string | undefined => (typeof rest[name] === 'string' ? rest[name] : undefined)
    // what somebody else wrote steers no terminal
    const shown = (name: string): string | undefined =>
      word(name)
        ?.replaceAll(/[^A-Za-z0-9._:-]/g, '?')
        .slice(0, 40)
    return { nonce, pid, place: word('place'), started: word('started'), host: shown('host'), time: shown('time') }
  } catch (error) {
    if (error instanceof RejoinError) return undefined
    throw error
  }
}

/** Where process numbers mean what they mean here: this boot of this machine, this container. */
function placeOf(nonce: string): string | undefined {
  try {
    const boot = textOf(readFileSync('/proc/sys/kernel/random/boot_id')).trim()
    return hex(sha256(utf8(`${nonce} ${boot} ${readlinkSync('/proc/self/ns/pid')}`))).slice(0, 32)
  } catch {
    return undefined
  }
}

function startOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ')[19]
  } catch {
    return undefined
  }
}

function isAlive({ pid, started }: Holder): boolean {
  const now = startOf(pid)
  return now !== undefined && (started === undefined || now === started)
}

function locked(root: string, holder: Holder | undefined): RejoinError {
  const { pid, host, time } = holder ?? {}
  const who =
    pid === undefined
      ? ''
      : ` (process ${pid}${host === undefined ? '' : ` on ${host}`}${time === undefined ? '' : ` since ${time}`})`
  return new RejoinError('E_LOCKED', `somebody else is writing to ${root}${who}`, {
    hint: `wait for it; where nobody does, delete ${join(root, mediumLockPath)}`
  })
}

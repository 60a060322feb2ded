import { join } from 'node:path'
import { type LogId, RejoinError, textOf, utf8 } from '../core/index.ts'
import { readFileRangeSync, replaceFileSync } from '../store/index.ts'

/** How far into a log its blobs were looked after. */
export interface Reach {
  /** all blobs of the entries before this one are here */
  complete: number
  /** the entries before this one were asked for in this run of the node */
  asked: number
  /** the first entry whose text came since the log was read last: what was found then says nothing of it */
  revisited: number
}

const reachFile = 'private/fetched.json'
const maxReachBytes = 64 * 1024 * 1024
/** how long changes are gathered before the file is written, in milliseconds */
const saveMs = 5000

/** How far into each log its blobs were looked after, remembered in a file that may be lost. */
export class Reaches {
  private readonly root: string
  private readonly byLog: Map<LogId, Reach>
  private timer: NodeJS.Timeout | undefined
  private readonly mayWrite: () => boolean

  /** @param mayWrite whether all that was done of what is looked after is written: else a kill would leave a gap that nobody looks at again */
  constructor(root: string, mayWrite: () => boolean = () => true) {
    this.root = root
    this.mayWrite = mayWrite
    this.byLog = readReach(root)
  }

  /** Returns the reach into a log, to be moved on. */
  of(log: LogId): Reach {
    let reach = this.byLog.get(log)
    if (reach === undefined) {
      reach = { complete: 0, asked: 0, revisited: Number.POSITIVE_INFINITY }
      this.byLog.set(log, reach)
    }
    return reach
  }

  /** Takes note that the text of an entry came, perhaps in the place of its hash, and perhaps while a pass looks after what was there. */
  revisit(log: LogId, index: number): void {
    const reach = this.of(log)
    reach.revisited = Math.min(reach.revisited, index)
    reach.complete = Math.min(reach.complete, index)
    reach.asked = Math.min(reach.asked, index)
  }

  /** Takes note that the entries of a log up to one were asked for, and from where on they are all here. */
  passed(log: LogId, from: number, end: number, isWhole: boolean): void {
    const reach = this.of(log)
    if (reach.revisited < end) return
    reach.asked = Math.max(reach.asked, end)
    if (!isWhole || reach.complete < from || reach.complete >= end) return
    reach.complete = end
    this.changed()
  }

  /** Lets everything that is missing be asked for again; from the first entries on where the rules let in more. */
  reset({ fromStart }: { readonly fromStart: boolean }): void {
    for (const reach of this.byLog.values()) {
      reach.asked = reach.complete
      if (fromStart) reach.asked = reach.complete = 0
    }
  }

  /** Writes the file soon. */
  private changed(): void {
    this.timer ??= setTimeout(() => {
      if (this.mayWrite()) this.save()
      else {
        this.timer = undefined
        this.changed()
      }
    }, saveMs)
  }

  /** Writes the file, where anything changed. */
  save(): void {
    if (this.timer === undefined) return
    clearTimeout(this.timer)
    this.timer = undefined
    const sizes = Object.fromEntries([...this.byLog].map(([log, { complete }]) => [log, complete]))
    replaceFileSync(join(this.root, reachFile), utf8(`${JSON.stringify(sizes)}\n`), { durable: false })
  }
}

function readReach(root: string): Map<LogId, Reach> {
  const bytes = readFileRangeSync(join(root, reachFile), 0, maxReachBytes)
  try {
    const sizes = bytes === undefined ? {} : (JSON.parse(textOf(bytes)) as Readonly<Record<LogId, number>>)
    return new Map(
      Object.entries(sizes).map(([log, complete]) => [
        log as LogId,
        { complete, asked: complete, revisited: Number.POSITIVE_INFINITY }
      ])
    )
  } catch (error) {
    // it only saves work: where it is unreadable, everything is looked after once more
    if (error instanceof SyntaxError || error instanceof RejoinError) return new Map()
    throw error
  }
}

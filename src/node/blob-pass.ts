import type { LogId, RejoinEvent } from '../core/index.ts'
import type { BlobNeed } from '../sync/index.ts'
import type { ArrivedLines } from './arrived-lines.ts'
import { type Brought, bringLacking, type Placed, placedIn } from './bring-lacking.ts'
import type { Node } from './node.ts'
import { Reaches } from './reach.ts'

/** Brings wanted blobs out of a replica of files. */
export type BringBlobs = (
  needs: readonly BlobNeed[],
  isPrivate: boolean
) => Promise<{ readonly fetched: number; readonly bytes: number }>

/** text of the events that are looked after at a time, in bytes: what a pass keeps in memory depends on it */
const windowBytes = 1024 * 1024

/** Goes along the logs of a node once and brings the blobs that used events name and that are missing, as far as a replica of files has them. */
export class BlobPass {
  private readonly node: Node
  private readonly bring: BringBlobs
  /** the first entry of each log whose text came */
  private readonly revisits = new Map<LogId, number>()
  private readonly arrived: ArrivedLines

  constructor(node: Node, bring: BringBlobs, arrived: ArrivedLines) {
    this.node = node
    this.bring = bring
    this.arrived = arrived
  }

  /** Takes note that the text of an entry came, which may be one that was passed over. */
  revisit(log: LogId, index: number): void {
    this.revisits.set(log, Math.min(index, this.revisits.get(log) ?? index))
  }

  /** Goes over all entries up to which not all blobs are known to be here. */
  async run(signal: AbortSignal): Promise<Brought> {
    const total = { fetched: 0, missing: 0, bytes: 0 }
    const reaches = new Reaches(this.node.root)
    for (const { log, size } of this.node.store.listHeads()) {
      const { entries } = this.node.store.needFolder(log)
      for (let at = Math.min(reaches.of(log).complete, this.revisits.get(log) ?? size); at < size; ) {
        signal.throwIfAborted()
        const block = entries.read(at, size, windowBytes)
        const end = block.from + block.count
        const events = placedIn(this.node, log, block)
        let isWhole = true
        for (const isPrivate of [false, true]) {
          const part = await bringLacking(
            this.node,
            events.filter((one) => one.isPrivate === isPrivate),
            { ...this.bringing(isPrivate), onWhole: async ({ event }: Placed) => await this.arrived.event(event, log) }
          )
          isWhole &&= part.missing === 0
          total.fetched += part.fetched
          total.missing += part.missing
          total.bytes += part.bytes
        }
        this.arrived.tell()
        reaches.passed(log, at, end, isWhole)
        at = end
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    reaches.save()
    return total
  }

  /** Brings what the artifact of an event in quarantine lacks there. @returns whether all of it is here */
  async bringHeld(log: LogId, index: number, event: RejoinEvent): Promise<boolean> {
    const { missing } = await bringLacking(this.node, [{ log, index, event, isPrivate: true }], this.bringing(true))
    return missing === 0
  }

  private bringing(isPrivate: boolean): Pick<Parameters<typeof bringLacking>[2], 'isPrivate' | 'bring'> {
    return { isPrivate, bring: async (wants) => await this.bring(wants, isPrivate) }
  }
}

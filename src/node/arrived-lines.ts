import type { Digest, LogId, RejoinEvent } from '../core/index.ts'
import { ArtifactLines } from './artifact-lines.ts'
import { artifactOf } from './blob-moves.ts'
import type { VerbRecord } from './control.ts'
import { type ArtifactNeeds, needsOf } from './export-artifacts.ts'
import type { Node } from './node.ts'

/** blobs that are remembered as having come: beyond these, artifacts that need one of them only are not told */
const maxCame = 200_000

/** Tells of each artifact that became whole by an import: one line, with what came with it. */
export class ArrivedLines {
  private readonly node: Node
  private readonly say: (record: VerbRecord) => void
  private readonly came = new Set<Digest>()
  private whole: ArtifactNeeds[] = []

  constructor(node: Node, say: (record: VerbRecord) => void) {
    this.node = node
    this.say = say
  }

  /** Takes note of a blob that came. */
  blob(digest: Digest): void {
    if (this.came.size < maxCame) this.came.add(digest)
  }

  /** Takes note of an event whose artifact is all here. */
  async event(event: RejoinEvent, log: LogId): Promise<void> {
    const digest = artifactOf(event)
    if (digest === undefined || this.came.size === 0) return
    const needs = await needsOf(this.node.blobs, { digest, event, log, index: 0 }, () => true)
    if (needs.blobs.some((blob) => this.came.has(blob.digest))) this.whole.push(needs)
  }

  /** Tells what became whole since it was last asked to. */
  tell(): void {
    const whole = this.whole
    this.whole = []
    if (whole.length > 0) new ArtifactLines(this.node, whole, this.say).tellAll()
  }
}

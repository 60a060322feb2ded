import type { CosignerKey, LogId, PublicKey, RejoinEvent, UrgentRecord } from '../core/index.ts'
import type { Verdicts } from '../store/index.ts'
import type { Judged } from '../trust/index.ts'
import type { Bringers } from './brought.ts'
import type { JudgeAgain } from './endings.ts'
import type { StoreEnds } from './ends.ts'

/** What the local replica tells its node. */
export interface LocalHooks {
  /** events were accepted and stored: relay or keep */
  readonly onAccepted?: (log: LogId, judged: readonly Judged[]) => void
  /** a log of a writer whom the rules don't know was heard of */
  readonly onHeard?: (author: PublicKey, log: LogId, size: number) => void
  /** a signed head contradicts what is here */
  readonly onConflict?: (log: LogId) => void
  /** entries came as hashes: another replica may have their texts */
  readonly onUnseen?: (log: LogId) => void
  /** where verdicts are recorded; the store's own files where it is left out */
  readonly verdicts?: Verdicts
  /** what ends logs, where the gate asks it too */
  readonly ends?: StoreEnds
  /** the witnesses whose cosignatures are kept and passed on; none where it is left out */
  readonly witnesses?: () => readonly CosignerKey[]
  /** a head that is here was cosigned by another witness, or later */
  readonly onCosigned?: (log: LogId) => void
  /** how entries are judged again; by rejudge() where it is left out */
  readonly judgeAgain?: JudgeAgain
  /** what is known of the peers that bring entries; nothing where it is left out */
  readonly bringers?: Bringers
  /** something urgent was learned: it goes before anything else */
  readonly onUrgent?: (record: UrgentRecord) => void
  /** makes known what verdicts on an event may depend on beside its line, before it is judged again */
  readonly load?: (event: RejoinEvent) => Promise<unknown>
}

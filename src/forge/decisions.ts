import { type Digest, isDigest, isObject, parseStrict, RejoinError, textOf, utf8 } from '../core/index.ts'
import { readFileRangeSync, replaceFileSync } from '../store/index.ts'
import { forgeStatePath } from './forge-state.ts'

/** What a person decided about an artifact at a forge. It goes before the rules, as long as it is that digest. */
export interface ForgeDecision {
  readonly repository: string
  readonly digest: Digest
  readonly verdict: 'relay' | 'refuse'
  readonly because?: string
  readonly at: string
}

const maxBytes = 16 * 1024 * 1024

function pathOf(root: string, host: string): string {
  return forgeStatePath(root, host).replace(/\.json$/, '.decisions')
}

/** The decisions about what a forge has, `private/forge/<host>.decisions`, one JSON object a line: apart from what is known of the forge, which a sync under way writes. */
export class ForgeDecisions {
  private readonly root: string
  private readonly host: string
  private readonly found: Map<string, ForgeDecision>

  private constructor(root: string, host: string, found: Map<string, ForgeDecision>) {
    this.root = root
    this.host = host
    this.found = found
  }

  /** Reads those about one forge. */
  static read(root: string, host: string): ForgeDecisions {
    const bytes = readFileRangeSync(pathOf(root, host), 0, maxBytes) ?? new Uint8Array(0)
    const all = textOf(bytes)
      .split('\n')
      .flatMap((line) => parseDecision(line) ?? [])
    return new ForgeDecisions(root, host, new Map(all.map((one) => [keyOf(one.repository, one.digest), one])))
  }

  /** Returns what was decided about an artifact. */
  on(repository: string, digest: Digest): ForgeDecision | undefined {
    return this.found.get(keyOf(repository, digest))
  }

  /** Records a decision, or withdraws one where no verdict is given; durable when it returns. @throws E_NO_SPACE E_IO */
  decide(repository: string, digest: Digest, decision: Omit<ForgeDecision, 'repository' | 'digest'> | undefined): void {
    if (decision === undefined) this.found.delete(keyOf(repository, digest))
    else this.found.set(keyOf(repository, digest), { repository, digest, ...decision })
    const text = [...this.found.values()].map((one) => `${JSON.stringify(one)}\n`).join('')
    replaceFileSync(pathOf(this.root, this.host), utf8(text), { durable: true, mode: 0o600 })
  }
}

function keyOf(repository: string, digest: Digest): string {
  return `${repository}@${digest}`
}

function parseDecision(line: string): ForgeDecision | undefined {
  if (line === '') return undefined
  try {
    const value = parseStrict(utf8(line), { maxBytes: 64 * 1024, maxDepth: 2 })
    if (!isObject(value)) return undefined
    const { repository, digest, verdict, because, at } = value
    if (typeof repository !== 'string' || typeof digest !== 'string' || !isDigest(digest) || typeof at !== 'string')
      return undefined
    if (verdict !== 'relay' && verdict !== 'refuse') return undefined
    return { repository, digest, verdict, at, ...(typeof because === 'string' && { because }) }
  } catch (error) {
    if (error instanceof RejoinError) return undefined
    throw error
  }
}

import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { RejoinError } from '../core/index.ts'
import {
  ArchiveReader,
  type FileStream,
  isAgeMedium,
  openAgeMedium,
  parseIdentities,
  readWhole,
  type RefusedFile,
  replicaNames,
  rootOfAge,
  type StreamSource,
  unpack,
  type Unpacked
} from '../replica/index.ts'

/** How much of an archive or an encrypted medium is read at most. */
export interface StreamLimits {
  readonly maxFiles: number
  readonly maxFileBytes: number
  readonly maxRatio: number
}

/** What a word names that is read as a stream. */
export interface StreamWord {
  /** an absolute path, or `-` */
  readonly replica: string
  /** where the bytes of standard input come from, for a node in another process */
  readonly socket?: string
  /** an absolute path of a file with age identities */
  readonly identity?: string
}

const maxIdentityBytes = 1024 * 1024

/** Returns what a word names as streams: one for an archive, one for each node that wrote to an encrypted medium. @throws E_NOT_FOUND E_KEY E_USAGE */
export async function openStreams(
  word: StreamWord,
  limits: StreamLimits,
  onRefused: (refused: RefusedFile) => void
): Promise<readonly StreamSource[]> {
  const { replica, socket, identity } = word
  const root = replica === '-' ? undefined : rootOfAge(replica)
  if (root !== undefined && isAgeMedium(root)) {
    if (identity === undefined)
      throw new RejoinError('E_KEY', `${replica} is encrypted`, {
        hint: '--identity FILE names the file with the key that opens it'
      })
    return await openAgeMedium(root, await identitiesIn(identity), onRefused)
  }
  const bytes = (): AsyncIterable<Uint8Array> =>
    replica !== '-' ? readWhole(replica) : socket === undefined ? process.stdin : connect(socket)
  return [
    {
      name: replica === '-' ? 'standard input' : replica,
      isSeekable: replica !== '-',
      open: (refuse) => archiveStream(bytes(), limits, refuse)
    }
  ]
}

function archiveStream(
  bytes: AsyncIterable<Uint8Array>,
  limits: StreamLimits,
  onRefused: (refused: RefusedFile) => void
): FileStream {
  const unpacked: Unpacked = {}
  const reader = new ArchiveReader(unpack(bytes, limits, unpacked), replicaNames, limits, onRefused)
  return {
    files: () => reader.files(),
    get end() {
      const { end } = reader
      return end?.kind === 'cut' && unpacked.fault !== undefined ? { ...unpacked.fault, atByte: end.atByte } : end
    }
  }
}

async function identitiesIn(path: string): Promise<readonly string[]> {
  let text: string
  try {
    const bytes = readFileSync(path)
    if (bytes.length > maxIdentityBytes) throw new RejoinError('E_TOO_LARGE', `${path} is over ${maxIdentityBytes} bytes`)
    text = bytes.toString('utf8')
  } catch (cause) {
    throw cause instanceof RejoinError ? cause : new RejoinError('E_NOT_FOUND', `cannot read ${path}`, { cause })
  }
  return await parseIdentities(text, path)
}

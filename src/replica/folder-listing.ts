import {
  codeOf,
  encodeHeads,
  entriesPerFile,
  headsPath,
  isLogId,
  logFolder,
  type LogId,
  maxCoseBytes,
  maxLineBytes,
  utf8
} from '../core/index.ts'
import { type Descriptor, headLineIn, OciIndex, type RootChange, replaceFileSync } from '../store/index.ts'
import { FolderLog } from './folder-log.ts'
import type { FolderReplica } from './folder-replica.ts'

const maxEntriesBytes = entriesPerFile * (maxLineBytes + 1)

/** An artifact that is whole on a medium, to be listed in its index.json. */
export interface ListedRoot {
  readonly descriptor: Descriptor
  readonly tag: string | undefined
}

/** Lists artifacts in index.json while a run goes on, with one write; the blobs of each must be there. @throws E_NO_SPACE E_IO E_DAMAGED */
export function listRoots(target: FolderReplica, roots: readonly ListedRoot[]): void {
  const index = OciIndex.open(target.root)
  const changes = changesFor(index, roots)
  if (changes.length === 0) return
  target.sums.drop((path) => path === 'index.json')
  target.sums.write()
  index.change(changes)
}

/** Returns what is to be changed so that index.json lists artifacts. */
export function changesFor(index: OciIndex, roots: readonly ListedRoot[]): readonly RootChange[] {
  const known = new Set(index.roots().map(({ digest }) => digest))
  return roots.flatMap(({ descriptor, tag }): readonly RootChange[] => {
    if (tag !== undefined) return index.tagged(tag)?.digest === descriptor.digest ? [] : [{ kind: 'tag', tag, descriptor }]
    return known.has(descriptor.digest) ? [] : [{ kind: 'add', descriptor }]
  })
}

/** Takes everything out of the list of sums that a run may change: called before the first change. */
export function unlist(target: FolderReplica, logs: Iterable<LogId>): void {
  const folders = [...logs].map((log) => `${logFolder(log)}/`)
  target.sums.drop((path) => !path.startsWith('blobs/') && !path.startsWith('parts/') && !path.startsWith('logs/'))
  target.sums.drop((path) => folders.some((folder) => path.startsWith(folder)))
  target.sums.write()
}

/** Lists what is there after a run: the files of the logs that grew, and those at the root. Each is read back. */
export function relist(target: FolderReplica, logs: Iterable<LogId>): void {
  const { sums, files } = target
  for (const log of logs) {
    for (const name of files.names(`${logFolder(log)}/entries`))
      if (/^\d{6,}\.ndjson$/.test(name)) sums.addFile(`${logFolder(log)}/entries/${name}`, maxEntriesBytes)
    for (const name of ['checkpoint', 'checkpoint.cose', 'closed', 'fork'])
      sums.addFile(`${logFolder(log)}/${name}`, maxCoseBytes)
  }
  for (const name of ['replica.json', 'oci-layout', 'index.json', 'README.txt', 'heads', 'omitted'])
    sums.addFile(name, maxEntriesBytes)
  for (const folder of ['frontiers', ...files.names('receipts').map((node) => `receipts/${node}`)])
    for (const name of files.names(folder))
      if (/^[a-z0-9._-]+$/.test(name) && !name.endsWith('.part')) sums.addFile(`${folder}/${name}`, maxEntriesBytes)
  sums.write()
}

const readme = (
  network: string
): string => `This folder holds artifacts, and signed logs about them, of the rejoin network "${network}".

Nothing in it need be believed because it is here: the logs are signed, and every file can be checked.

  sha256sum -c SHA256SUMS*                    every file that was read back after it was written
  rejoin check .                              signatures, logs and blobs, derived again from the bytes
  rejoin import .                             takes in what your trust rules let in

Other programs can read it:

  jq -c . logs/*/entries/*.ndjson             the events; {"withheld":...} stands for one that is present as its hash only
  jq -r '.manifests[].annotations["org.opencontainers.image.ref.name"]' index.json       the names of the artifacts
  skopeo copy oci:.:NAME dir:/tmp/copy        one of them

Please change nothing below logs, blobs and parts. Other files beside these are left alone.
`

/** Writes the file `heads`, for readers that can't list folders. @throws E_NO_SPACE E_IO */
export function writeHeads(target: FolderReplica): void {
  const lines: string[] = []
  for (const log of target.files.names('logs').filter(isLogId))
    try {
      const line = headLineIn(target.root, log, new FolderLog(target.files, log).opened().publicKey, 0)
      if (line !== undefined) lines.push(line)
    } catch (error) {
      // a damaged log is not listed; who reads it names what is wrong
      if (codeOf(error) === undefined) throw error
    }
  replaceFileSync(`${target.root}/${headsPath}`, encodeHeads(target.storeId, lines), { durable: true })
}

/** Writes README.txt where it is missing or another one. */
export function writeReadme(target: FolderReplica): void {
  const text = utf8(readme(target.network))
  const found = target.files.read('README.txt', 64 * 1024)
  if (found !== undefined && Buffer.compare(found, text) === 0) return
  replaceFileSync(`${target.root}/README.txt`, text, { durable: true })
}

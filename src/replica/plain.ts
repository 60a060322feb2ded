import { entriesPerFile, logFolder, type LogId, maxLineBytes, RejoinError } from '../core/index.ts'
import type { Outside } from '../store/index.ts'

const maxFileBytes = entriesPerFile * (maxLineBytes + 1)
const maxSmallBytes = 64 * 1024

/**
 * Looks over all files of a log before a program that trusts its own folders opens them: regular files of a size that they can have.
 * @throws E_BAD_OBJECT for a link, folder or device in the place of a file · E_TOO_LARGE
 */
export function plainLog(files: Outside, log: LogId): void {
  const folder = logFolder(log)
  for (const name of ['checkpoint', 'checkpoint.cose', 'closed', 'fork']) check(files, `${folder}/${name}`, maxSmallBytes)
  for (const name of files.names(`${folder}/entries`)) check(files, `${folder}/entries/${name}`, maxFileBytes)
}

function check(files: Outside, path: string, maxBytes: number): void {
  const size = files.size(path)
  if (size !== undefined && size > maxBytes)
    throw new RejoinError('E_TOO_LARGE', `${files.root}/${path} has ${size} bytes, over the limit of ${maxBytes}`)
}

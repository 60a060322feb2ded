import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { maxDocumentBytes, readContent } from '../artifact/index.ts'
import { type Content, purlWithoutQualifiers, RejoinError } from '../core/index.ts'
import { ioError, readFileRangeSync } from '../store/index.ts'

/** The most files of an inventory that are read, in the order of their names. */
const maxInventoryFiles = 10_000

/** A file of the inventory that could not be read. */
export interface BadFile {
  /** path below the data folder */
  readonly file: string
  readonly error: RejoinError
}

/** What this site runs: the components of a folder of SBOMs. */
export interface Inventory {
  /** Reads what was added, changed or taken away since; returns whether anything was. @throws E_IO E_PERMISSION for the folder itself */
  readonly refresh: () => boolean
  /** Returns the package URLs, without qualifiers and subpath, of the components that this site runs too; sorted, each once */
  readonly overlapOf: (content: Content) => readonly string[]
  /** package URLs that are known */
  readonly purlCount: () => number
  /** files that are no SBOM; their components are not known */
  readonly badFiles: () => readonly BadFile[]
}

interface Source {
  /** below the data folder; empty for the data folder itself */
  readonly folder: string
  /** the texts between the stars of the file names' pattern */
  readonly pieces: readonly string[]
}

function badSource(source: string, reason: string): RejoinError {
  return new RejoinError('E_TRUST_FILE', `inventory.source ${JSON.stringify(source.slice(0, 60))} ${reason}`, {
    hint: 'such as ./inventory/*.cdx.json'
  })
}

/** @throws E_TRUST_FILE */
function parseSource(source: string): Source {
  if (source.length > 1024 || source.includes('\0') || source.includes('\\')) throw badSource(source, 'is no path')
  if (source.startsWith('/') || /^[A-Za-z]:/.test(source)) throw badSource(source, 'is not below the data folder')
  const parts = source.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw badSource(source, 'goes out of the data folder')
  const last = parts.at(-1)
  if (last === undefined) throw badSource(source, 'names no folder')
  const isPattern = last.includes('*')
  const folders = isPattern ? parts.slice(0, -1) : parts
  if (folders.some((part) => part.includes('*'))) throw badSource(source, 'may have * in its last part only')
  return { folder: folders.join('/'), pieces: isPattern ? last.split('*') : ['', ''] }
}

/** Returns why a source can't be an inventory, undefined where it can. */
export function inventoryFault(source: string): string | undefined {
  try {
    parseSource(source)
    return undefined
  } catch (error) {
    if (error instanceof RejoinError) return error.message
    throw error
  }
}

/** Returns whether a name has the pieces in their order, the first at its start and the last at its end. */
function fits(name: string, pieces: readonly string[]): boolean {
  const [first = '', ...rest] = pieces
  const last = rest.pop() ?? ''
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false
  let at = first.length
  for (const piece of rest) {
    const found = name.indexOf(piece, at)
    if (found === -1) return false
    at = found + piece.length
  }
  return at <= name.length - last.length
}

interface Known {
  /** size and times, by which a change is seen */
  readonly signature: string
  readonly purls: readonly string[]
  readonly error: RejoinError | undefined
}

function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}

function namesIn(folder: string, pieces: readonly string[]): readonly string[] {
  try {
    return readdirSync(folder)
      .filter((name) => !name.startsWith('.') && fits(name, pieces))
      .toSorted()
      .slice(0, maxInventoryFiles)
  } catch (error) {
    if (isAbsent(error)) return []
    throw ioError(error, 'read the folder', folder)
  }
}

/** Returns what tells one state of a file from another, undefined where it is gone or no file. */
function signatureOf(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true })
  return stat?.isFile() === true ? `${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}` : undefined
}

function readPurls(path: string): readonly string[] {
  const bytes = readFileRangeSync(path, 0, maxDocumentBytes + 1)
  if (bytes === undefined) throw new RejoinError('E_NOT_FOUND', 'the file is gone')
  const found = new Set<string>()
  for (const { purl } of readContent(bytes).components) {
    const plain = purlWithoutQualifiers(purl)
    if (plain !== undefined) found.add(plain)
  }
  return [...found]
}

function readFile(path: string, signature: string): Known {
  try {
    return { signature, purls: readPurls(path), error: undefined }
  } catch (error) {
    if (!(error instanceof RejoinError)) throw error
    return { signature, purls: [], error }
  }
}

/**
 * Opens the inventory of a data folder and reads it. A folder that is absent is an empty inventory.
 * @param root the data folder
 * @param source a folder below it, or a pattern of files in one: `./inventory/*.cdx.json`
 * @throws E_TRUST_FILE for a source that is absolute, has `..`, or `*` before its last part · E_IO E_PERMISSION
 */
export function openInventory(root: string, source: string): Inventory {
  const { folder, pieces } = parseSource(source)
  let known: ReadonlyMap<string, Known> = new Map()
  let purls: ReadonlySet<string> = new Set()
  const refresh = (): boolean => {
    const next = new Map<string, Known>()
    for (const name of namesIn(join(root, folder), pieces)) {
      const path = join(root, folder, name)
      const signature = signatureOf(path)
      if (signature === undefined) continue
      const before = known.get(name)
      next.set(name, before?.signature === signature ? before : readFile(path, signature))
    }
    const isSame = next.size === known.size && [...next].every(([name, file]) => known.get(name) === file)
    if (isSame) return false
    known = next
    purls = new Set([...next.values()].flatMap((file) => file.purls))
    return true
  }
  refresh()
  return {
    refresh,
    overlapOf: ({ components }) => {
      const found = new Set<string>()
      for (const { purl } of components) {
        const plain = purlWithoutQualifiers(purl)
        if (plain !== undefined && purls.has(plain)) found.add(plain)
      }
      return [...found].toSorted()
    },
    purlCount: () => purls.size,
    badFiles: () =>
      [...known].flatMap(([name, { error }]) =>
        error === undefined ? [] : [{ file: folder === '' ? name : `${folder}/${name}`, error }]
      )
  }
}

import { existsSync, statSync } from 'node:fs'
import { RejoinError } from '../core/index.ts'
import { type FileReplica, Folder, rootOfAge } from '../replica/index.ts'

/** What a word on the command line names, by its look alone: people write paths, addresses and names, and never say which. */
export type ReplicaWord =
  | { readonly kind: 'peer'; readonly word: string }
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'web'; readonly url: string }
  | { readonly kind: 'archive'; readonly path: string; readonly compressed: boolean }
  /** standard input or output */
  | { readonly kind: 'stream' }

const multiaddr = /^\/(?:ip4|ip6|ip6zone|dns|dns4|dns6|dnsaddr|p2p|unix|onion3|memory)\//

/** Returns what a word names: `-`, an http(s) URL, `*.tar` or `*.tar.zst`, a multiaddr, a path (it has a `/` or is there), else a peer. */
export function replicaWord(word: string): ReplicaWord {
  if (word === '-') return { kind: 'stream' }
  if (/^https?:\/\//i.test(word)) return { kind: 'web', url: word }
  if (multiaddr.test(word)) return { kind: 'peer', word }
  if (/\.tar(?:\.zst)?$/.test(word) && !isFolder(word)) return { kind: 'archive', path: word, compressed: word.endsWith('.zst') }
  return word.includes('/') || existsSync(word) ? { kind: 'folder', path: word } : { kind: 'peer', word }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
}

/**
 * Opens what a word names to read it as a replica of files: the one place that knows the kinds.
 * @throws E_USAGE for a peer, which is none, and for kinds that can't be read · what opening throws
 */
export async function openFileReplica(word: string): Promise<FileReplica> {
  const named = replicaWord(word)
  switch (named.kind) {
    case 'folder':
      return await Promise.resolve(Folder.open(named.path))
    case 'web':
    case 'archive':
    case 'stream':
    case 'peer':
      throw new RejoinError('E_USAGE', `${word} is no folder`)
  }
}

/** Returns the path of the folder that a word names. @throws E_USAGE where it names something else */
export function needFolderWord(word: string): string {
  const named = replicaWord(word)
  if (named.kind === 'folder') return named.path
  const hint = {
    peer: `a folder is ./${word}`,
    web: 'a web server is only read: export to the folder that it serves',
    archive: 'give a folder',
    stream: 'give a folder'
  }[named.kind]
  throw new RejoinError('E_USAGE', `${word} is no folder`, { hint })
}

/** Returns whether a path is a folder with an encrypted medium. */
export function isEncrypted(path: string): boolean {
  return rootOfAge(path) !== undefined
}

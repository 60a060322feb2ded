import { equal, type Fork, type TreeHead } from '../core/index.ts'
import type { LogFolder } from '../store/index.ts'

type Head = Pick<TreeHead, 'size' | 'root'>

/** Returns the heads of the two branches of a forked log: that of the one which is here, and that of the other. */
export function branchesOf(
  { checkpoint, size, tiles }: LogFolder,
  { heads }: Pick<Fork, 'heads'>
): readonly [ours: Head, other: Head] {
  const isHere = (head: Head): boolean =>
    head.size <= size && equal(head.size === checkpoint?.size ? checkpoint.root : tiles.treeAt(head.size).root(), head.root)
  const other = heads.find((head) => !isHere(head)) ?? heads[1]
  return [checkpoint ?? (heads.find(isHere) as Head), other]
}

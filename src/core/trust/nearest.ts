const maxWordChars = 64

/** Returns how many letters must be put in, left out, changed or swapped with the next one to make one word of the other. */
export function editDistance(a: string, b: string): number {
  let before: readonly number[] = []
  let row: readonly number[] = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      const changed = (row[j - 1] as number) + (same ? 0 : 1)
      let least = Math.min(changed, (row[j] as number) + 1, (next[j - 1] as number) + 1)
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (isSwap) least = Math.min(least, (before[j - 2] as number) + 1)
      next.push(least)
    }
    before = row
    row = next
  }
  return row[b.length] as number
}

/** Returns the known word that is nearest to a misspelt one, or undefined where none is near: a third of its letters may be wrong. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  if (word.length > maxWordChars) return undefined
  let best: string | undefined
  let least = Math.max(1, Math.floor(word.length / 3)) + 1
  for (const one of known) {
    if (Math.abs(one.length - word.length) >= least) continue
    const distance = editDistance(word.toLowerCase(), one.toLowerCase())
    if (distance >= least) continue
    best = one
    least = distance
  }
  return best
}

/** Returns a hint for an unknown word: the known one that was meant, else those that are known, at most eight. */
export function suggestionFor(word: string, known: Iterable<string>): string {
  const all = [...known]
  const best = nearest(word, all)
  if (best !== undefined) return `did you mean ${best}?`
  if (all.length === 0) return 'none is known'
  return `known: ${all.slice(0, 8).join(', ')}${all.length > 8 ? ', …' : ''}`
}

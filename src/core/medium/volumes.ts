/** Things that must come together on one medium, and what they take there. */
export interface Load {
  /** their names, by which what several loads share is counted once a volume */
  readonly parts: ReadonlyMap<string, number>
}

/** Which loads lie on one volume. */
export interface Volume<L extends Load> {
  readonly loads: readonly L[]
  /** with what every volume has */
  readonly bytes: number
}

/** What was packed, and what no volume can take. */
export interface Packed<L extends Load> {
  readonly volumes: readonly Volume<L>[]
  readonly tooLarge: readonly L[]
}

/**
 * Packs loads into volumes in their order, each whole on one volume; what two loads of one volume share is there once. A load goes on the
 * first volume that has room.
 * @param everyBytes what each volume has besides
 */
export function packVolumes<L extends Load>(loads: readonly L[], everyBytes: number, maxBytes: number): Packed<L> {
  const open: { loads: L[]; bytes: number; readonly names: Set<string> }[] = []
  const tooLarge: L[] = []
  for (const load of loads) {
    const whole = sum(load.parts.values())
    if (everyBytes + whole > maxBytes) {
      tooLarge.push(load)
      continue
    }
    const added = (names: ReadonlySet<string>): number =>
      sum([...load.parts].map(([name, bytes]) => (names.has(name) ? 0 : bytes)))
    let volume = open.find((one) => one.bytes + added(one.names) <= maxBytes)
    if (volume === undefined) {
      volume = { loads: [], bytes: everyBytes, names: new Set() }
      open.push(volume)
    }
    volume.bytes += added(volume.names)
    for (const name of load.parts.keys()) volume.names.add(name)
    volume.loads.push(load)
  }
  return { volumes: open.map(({ loads: on, bytes }) => ({ loads: on, bytes })), tooLarge }
}

function sum(values: Iterable<number>): number {
  let total = 0
  for (const value of values) total += value
  return total
}

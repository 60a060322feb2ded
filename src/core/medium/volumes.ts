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
 * Packs loads into volumes in their order, each whole on one volume; what two loads of one volume share is there once. A load goes where
 * all of it lies already, else on the first volume that has room.
 * @param everyBytes what each volume has besides
 * @param there what lies on each of the first volumes already; they stay volumes, whatever goes there
 */
export function packVolumes<L extends Load>(
  loads: readonly L[],
  everyBytes: number,
  maxBytes: number,
  there: readonly Load['parts'][] = []
): Packed<L> {
  const open: { loads: L[]; bytes: number; readonly names: Set<string> }[] = there.map((parts) => ({
    loads: [],
    bytes: everyBytes + sum(parts.values()),
    names: new Set(parts.keys())
  }))
  const tooLarge: L[] = []
  for (const load of loads) {
    const added = (names: ReadonlySet<string>): number =>
      sum([...load.parts].map(([name, bytes]) => (names.has(name) ? 0 : bytes)))
    let volume =
      open.find(({ names }) => [...load.parts.keys()].every((name) => names.has(name))) ??
      open.find((one) => one.bytes + added(one.names) <= maxBytes)
    if (volume === undefined && everyBytes + sum(load.parts.values()) > maxBytes) {
      tooLarge.push(load)
      continue
    }
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

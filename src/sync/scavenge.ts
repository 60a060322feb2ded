import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type Collect = (options: { readonly type: 'minor' }) => void

// With 4 MiB what is still under way is taken for long-lived, and the whole heap is marked after all.
const everyBytes = 8 * 1024 * 1024
let passedBytes = 0
let collect: Collect | undefined

function exposed(): Collect {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as Collect
}

/**
 * Notes that so many bytes went through buffers that are garbage by now; every 8 MiB the young generation is collected. V8 does not do so on
 * its own, since a buffer's bytes lie outside its heap: it marks the whole heap instead, some 80 times a GiB. Measured, a blob over libp2p with
 * TLS between two processes on two cores: 290 MB/s where it is 105 to 136 without, and 3.2 s of the reader's processor time a GiB instead of 6.5 s.
 */
export function passed(bytes: number): void {
  passedBytes += bytes
  if (passedBytes < everyBytes) return
  passedBytes = 0
  collect ??= exposed()
  collect({ type: 'minor' })
}

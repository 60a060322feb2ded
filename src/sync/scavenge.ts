import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

type Collect = (options: { readonly type: 'minor' }) => void

const everyBytes = Number(process.env['EV'] ?? 16) * 1024 * 1024
let passedBytes = 0
let collect: Collect | undefined

function exposed(): Collect {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as Collect
}

/**
 * Notes that so many bytes went through buffers that are garbage by now; every 16 MiB the young generation is collected. V8 does not do so on
 * its own, since a buffer's bytes lie outside its heap: it marks the whole heap instead, some 80 times a GiB. Measured, 1 GiB over libp2p and TLS between
 * two processes: 2.9 s where it takes 8.5 s without, and 1.0 s instead of 2.7 s of the reader's processor time.
 */
export function passed(bytes: number): void {
  passedBytes += bytes
  if (passedBytes < everyBytes) return
  passedBytes = 0
  collect ??= exposed()
  collect({ type: 'minor' })
}

import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { closeSync, fdatasyncSync, fsyncSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const seconds = (since: number): number => (performance.now() - since) / 1000

/** Returns the digest of bytes. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** Waits until what was written before is on the disk, so that it is not counted for what is measured next. */
export function settleDisk(): void {
  execFileSync('sync')
}

/** Makes the layout of an image with four layers of random bytes. No registry has a hand in it: skopeo would mount from there what it has seen there. */
export function makeLayout(folder: string, bytes: number): void {
  mkdirSync(join(folder, 'blobs/sha256'), { recursive: true })
  const blob = (content: Buffer): { readonly digest: string; readonly size: number } => {
    const digest = digestOf(content)
    writeFileSync(join(folder, 'blobs', digest.replace(':', '/')), content)
    return { digest, size: content.length }
  }
  const layers = Array.from({ length: 4 }, () => ({
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    ...blob(randomBytes(bytes / 4))
  }))
  const config = {
    mediaType: 'application/vnd.oci.image.config.v1+json',
    ...blob(Buffer.from(`{"os":"linux","created":"${new Date().toISOString()}"}`))
  }
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = { mediaType, ...blob(Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers }))) }
  const tagged = { ...manifest, annotations: { 'org.opencontainers.image.ref.name': '1' } }
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [tagged] }))
}

/** Returns how long skopeo takes for an image with no registry at all: from one folder to another, twice, in seconds. */
export function skopeoAloneSeconds(layout: string, to: string): number {
  const since = performance.now()
  for (const target of [to, `${to}-again`])
    execFileSync('skopeo', ['copy', '-q', '--preserve-digests', `oci:${layout}:1`, `oci:${target}:1`])
  const taken = seconds(since)
  for (const target of [to, `${to}-again`]) rmSync(target, { recursive: true, force: true })
  return taken
}

function writeSynced(path: string, bytes: Uint8Array): void {
  const fd = openSync(path, 'wx')
  writeSync(fd, bytes)
  fsyncSync(fd)
  closeSync(fd)
}

/** Returns how long it takes to write as many bytes as four layers and have them on the disk, in seconds. */
export function syncedCopySeconds(folder: string, bytes: number): number {
  const at = mkdtempSync(join(folder, 'disk-'))
  const layer = randomBytes(bytes / 4)
  settleDisk()
  const since = performance.now()
  for (let i = 0; i < 4; i++) writeSynced(join(at, String(i)), layer)
  const taken = seconds(since)
  rmSync(at, { recursive: true })
  return taken
}

/**
 * Returns how many times a second the files of a push can be written and synced one after the other, with a line in a log, by a program that does
 * nothing else. They stay in `folder`: ext4 looks at each file that was deleted in the last seconds before it makes another one.
 */
export function syncedPushesPerSecond(folder: string, count: number, layerBytes: number): number {
  const at = mkdtempSync(join(folder, 'disk-'))
  const files = [Buffer.alloc(200, 1), Buffer.alloc(layerBytes, 2), Buffer.alloc(400, 3)]
  const line = Buffer.alloc(500, 4)
  const log = openSync(join(at, 'log'), 'a')
  settleDisk()
  const since = performance.now()
  for (let i = 0; i < count; i++) {
    for (const [k, file] of files.entries()) writeSynced(join(at, `${i}-${k}`), file)
    writeSync(log, line)
    fdatasyncSync(log)
  }
  const rate = count / seconds(since)
  closeSync(log)
  return rate
}

import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { canonicalize, digestOf, encodeTarHeader, type Json, tarPadding, utf8 } from '../../src/core/index.ts'

/** An image with one layer, and what it is made of. */
export interface LabImage {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly config: string
  readonly blobs: ReadonlyMap<string, Uint8Array>
}

/** A file of an archive; a link where `link` says so. */
export type LabFile = readonly [path: string, bytes: Uint8Array | string, link?: '1' | '2']

const ociManifest = 'application/vnd.oci.image.manifest.v1+json'

function named(
  mediaType: string,
  bytes: Uint8Array
): { readonly mediaType: string; readonly digest: string; readonly size: number } {
  return { mediaType, digest: digestOf(bytes), size: bytes.length }
}

/** Returns a tar archive of files. */
export function tarOfFiles(files: readonly LabFile[]): Buffer {
  const parts: Uint8Array[] = []
  for (const [path, content, link] of files) {
    const bytes = typeof content === 'string' ? utf8(content) : content
    const header = Buffer.from(encodeTarHeader(path, link === undefined ? bytes.length : 0))
    if (link !== undefined) {
      header.write(link, 156)
      header.write('/etc/passwd', 157)
      header.write('        ', 148)
      header.write(
        `${header
          .reduce((sum, byte) => sum + byte, 0)
          .toString(8)
          .padStart(6, '0')}\0 `,
        148
      )
    }
    parts.push(header)
    if (link === undefined) parts.push(bytes, new Uint8Array(tarPadding(bytes.length)))
  }
  return Buffer.concat([...parts, new Uint8Array(1024)])
}

/** Returns a container image whose one layer has one file. */
export function labImage(
  path: string,
  content: Uint8Array | string,
  platform = { os: 'linux', architecture: 'amd64' }
): LabImage {
  const layer = tarOfFiles([[path, content]])
  const zipped = gzipSync(layer)
  const config = utf8(canonicalize({ ...platform, config: {}, rootfs: { type: 'layers', diff_ids: [digestOf(layer)] } }))
  const manifest = utf8(
    // as others write it: indented, and in an order of its own
    JSON.stringify(
      {
        schemaVersion: 2,
        mediaType: ociManifest,
        config: named('application/vnd.oci.image.config.v1+json', config),
        layers: [named('application/vnd.oci.image.layer.v1.tar+gzip', zipped)]
      },
      null,
      3
    )
  )
  const blobs = new Map([manifest, config, zipped].map((bytes) => [digestOf(bytes) as string, bytes]))
  return { ...named(ociManifest, manifest), config: digestOf(config), blobs }
}

/** Returns an index of images for several platforms. */
export function labIndex(images: readonly (LabImage & { readonly platform: Json })[]): LabImage {
  const mediaType = 'application/vnd.oci.image.index.v1+json'
  const manifests = images.map(({ mediaType: type, digest, size, platform }) => ({ mediaType: type, digest, size, platform }))
  const bytes = utf8(JSON.stringify({ schemaVersion: 2, mediaType, manifests }))
  const blobs = new Map([...images.flatMap((image) => [...image.blobs]), [digestOf(bytes) as string, bytes] as const])
  return { ...named(mediaType, bytes), config: '', blobs }
}

/** What stands in the bundle.json of a test, as a person may have written it. */
export function bundleJson(images: {
  readonly invocation: { readonly image: string; readonly contentDigest?: string }
  readonly components: Readonly<Record<string, { readonly image: string; readonly contentDigest?: string }>>
}): string {
  const { invocation, components } = images
  return `${JSON.stringify(
    {
      schemaVersion: 'v1.2.0',
      name: 'hello',
      version: '0.1.0',
      description: 'says <hello> & goes',
      keywords: ['hello'],
      maintainers: [{ name: 'Jane Doe', email: 'jane@example.com' }],
      invocationImages: [{ imageType: 'oci', ...invocation }],
      images: Object.fromEntries(Object.entries(components).map(([name, one]) => [name, { description: name, ...one }]))
    },
    null,
    2
  )}\n`
}

/** Returns the files of a thick bundle. */
export function thickFiles(bundle: string, images: Readonly<Record<string, LabImage>>): LabFile[] {
  const manifests = Object.entries(images).map(([name, { mediaType, digest, size }]) => ({
    mediaType,
    digest,
    size,
    annotations: { 'org.opencontainers.image.ref.name': name }
  }))
  const blobs = new Map(Object.values(images).flatMap(({ blobs: all }) => [...all]))
  return [
    ['bundle.json', bundle],
    ['artifacts/layout/oci-layout', '{"imageLayoutVersion":"1.0.0"}'],
    ['artifacts/layout/index.json', JSON.stringify({ schemaVersion: 2, manifests })],
    ...[...blobs].map(([digest, bytes]): LabFile => [`artifacts/layout/blobs/${digest.replace(':', '/')}`, bytes])
  ]
}

/** Returns the archive of a thick bundle. */
export function thickOf(files: readonly LabFile[]): Buffer {
  return gzipSync(tarOfFiles(files))
}

/** Writes images as an OCI image layout, each under its name. */
export function layoutFolder(folder: string, images: Readonly<Record<string, LabImage>>): void {
  for (const [path, bytes] of thickFiles('', images).slice(1)) {
    const file = join(folder, path.replace('artifacts/layout/', ''))
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, bytes)
  }
}

/** The invocation image of the test bundle. */
export const installer: LabImage = labImage('cnab/app/run', '#!/bin/sh\n')
/** A component image whose layer has several chunks. */
export const large: LabImage = labImage(
  'data',
  Buffer.alloc(2_500_000, 'incompressible? no, but long enough to be of several chunks ')
)
/** A component image for two platforms. */
export const both: LabImage = labIndex([
  { ...labImage('a', 'for amd64'), platform: { os: 'linux', architecture: 'amd64' } },
  { ...labImage('b', 'for arm64', { os: 'linux', architecture: 'arm64' }), platform: { os: 'linux', architecture: 'arm64' } }
])
/** What bundle.json calls the images. */
export const names: Readonly<Record<'installer' | 'large' | 'both', string>> = {
  installer: 'example/installer:1',
  large: 'registry.example:5000/large@' + large.digest,
  both: 'busybox'
}
/** The bundle.json of the test bundle. */
export const bundle: string = bundleJson({
  invocation: { image: names.installer, contentDigest: installer.digest },
  components: {
    multi: { image: names.both },
    large: { image: names.large, contentDigest: large.digest }
  }
})
/** Its images, by the names that a layout has for them. */
export const images: Readonly<Record<string, LabImage>> = {
  'docker.io/example/installer:1': installer,
  [names.large]: large,
  'docker.io/library/busybox': both
}

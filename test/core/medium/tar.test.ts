import { assert, property, uint8Array, constantFrom, integer, string } from 'fast-check'
import { pack } from 'tar-stream'
import { describe, expect, test } from 'vitest'
import {
  encodeTarHeader,
  maxTarNoteBytes,
  memberOf,
  parsePax,
  parseTarHeader,
  tarBlockBytes,
  tarPadding,
  utf8
} from '../../../src/core/index.ts'
import { ArchiveReader, replicaNames, type RefusedFile, type StreamedFile } from '../../../src/replica/index.ts'
import { holds } from '../../property.ts'
import { thrownBy } from '../../thrown.ts'

const log = `ciq${'a'.repeat(49)}`
const hex64 = 'ab'.repeat(32)
const limits = { maxFiles: 1000, maxFileBytes: 2 ** 40 }

async function* pieces(bytes: Uint8Array, size = 700): AsyncGenerator<Uint8Array, void, void> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size))
}

async function readAll(
  bytes: Uint8Array,
  more: Partial<typeof limits> = {}
): Promise<{
  readonly files: readonly (readonly [string, string])[]
  readonly refused: readonly RefusedFile[]
  readonly reader: ArchiveReader
}> {
  const refused: RefusedFile[] = []
  const reader = new ArchiveReader(pieces(bytes), replicaNames, { ...limits, ...more }, (one) => refused.push(one))
  const files: (readonly [string, string])[] = []
  for await (const file of reader.files()) files.push([file.path, await textOfFile(file)])
  return { files, refused, reader }
}

async function textOfFile({ body }: StreamedFile): Promise<string> {
  return Buffer.concat(await Array.fromAsync(body)).toString()
}

function file(name: string, text: string): Uint8Array {
  return Buffer.concat([encodeTarHeader(name, text.length), utf8(text), new Uint8Array(tarPadding(text.length))])
}

const end = new Uint8Array(2 * tarBlockBytes)

describe('tar', () => {
  test('what is written is read, by us and by tar-stream (ARCHIVE-2)', async () => {
    const long = `blobs/sha512/${'cd'.repeat(64)}`
    const bytes = Buffer.concat([
      file('replica.json', '{}'),
      file(`blobs/sha256/${hex64}`, 'x'.repeat(512)),
      file(long, 'long'),
      file('heads', ''),
      end
    ])
    const { files, refused, reader } = await readAll(bytes)
    expect(files.map(([path]) => path)).toEqual(['replica.json', `blobs/sha256/${hex64}`, long, 'heads'])
    expect(files[2]?.[1]).toBe('long')
    expect([refused, reader.end]).toEqual([[], { kind: 'whole' }])
    const { extract } = await import('tar-stream')
    const others = extract()
    const names: string[] = []
    others.end(bytes)
    for await (const entry of others) {
      names.push(entry.header.name)
      expect(entry.header).toMatchObject({ uid: 0, gid: 0, mtime: new Date(0), mode: 0o644, type: 'file' })
      entry.resume()
    }
    expect(names).toEqual(files.map(([path]) => path))
  })

  test('what tar-stream writes is read (ARCHIVE-6)', async () => {
    const other = pack()
    other.entry({ name: './replica.json' }, 'one')
    other.entry({ name: './logs/', type: 'directory' })
    other.entry({ name: `blobs/sha512/${'01'.repeat(64)}`, pax: { comment: 'x' } }, 'two')
    other.finalize()
    const { files, refused } = await readAll(Buffer.concat(await Array.fromAsync(other as AsyncIterable<Uint8Array>)))
    expect(files.map(([, text]) => text)).toEqual(['one', 'two'])
    expect(refused).toEqual([])
  })

  test('sizes of 8 GiB and more go into a pax header', () => {
    const header = encodeTarHeader('heads', 2 ** 33 + 5)
    expect(parsePax(header.subarray(512, 512 + (parseTarHeader(header)?.sizeBytes ?? 0)))).toMatchObject({
      sizeBytes: 2 ** 33 + 5
    })
  })

  test('links, devices, absolute and climbing paths, other names and NUL are named and passed over (ARCHIVE-7)', async () => {
    const other = pack()
    other.entry({ name: 'heads', type: 'symlink', linkname: '/etc/passwd' })
    other.entry({ name: 'heads', type: 'link', linkname: 'replica.json' })
    other.entry({ name: 'heads', type: 'block-device' })
    other.entry({ name: 'heads', type: 'fifo' })
    for (const name of [
      '/heads',
      '../heads',
      'logs/../heads',
      'HEADS',
      'héads',
      'keys/writer',
      'private/blobs/x',
      'trust.yaml',
      'blobs/sha256/AB'
    ])
      other.entry({ name }, 'evil')
    other.entry({ name: 'replica.json' }, 'good')
    other.finalize()
    const { files, refused, reader } = await readAll(Buffer.concat(await Array.fromAsync(other as AsyncIterable<Uint8Array>)))
    expect(files).toEqual([['replica.json', 'good']])
    expect(refused).toHaveLength(13)
    expect(refused.map(({ reason }) => reason)).toContain('an absolute path')
    expect(reader.refused).toBe(13)
  })

  test('a cut archive gives what came before the cut, and says so (ARCHIVE-8)', async () => {
    const whole = Buffer.concat([file('replica.json', '{}'), file('heads', 'h'.repeat(1000)), end])
    for (const [length, count] of [
      [0, 0],
      [100, 0],
      [1024, 1],
      [2000, 2],
      [whole.length - 1024, 2]
    ] as const) {
      const { files, reader } = await readAll(whole.subarray(0, length))
      expect([length, files.length, reader.end?.kind]).toEqual([length, count, 'cut'])
    }
  })

  test('a header that is none ends the archive; too many files, and a file over the limit, are not read (ARCHIVE-9)', async () => {
    const bad = file('heads', 'x')
    bad[130] = 0x39
    expect((await readAll(Buffer.concat([file('replica.json', '{}'), bad, end]))).reader.end?.kind).toBe('damaged')
    const three = Buffer.concat([file('replica.json', '{}'), file('heads', 'abc'), file('seal', 's'), end])
    expect((await readAll(three, { maxFiles: 2 })).reader.end).toMatchObject({ kind: 'full' })
    const { files, refused } = await readAll(three, { maxFileBytes: 2 })
    expect(files.map(([path]) => path)).toEqual(['replica.json', 'seal'])
    expect(refused[0]?.path).toBe('heads')
    const lies = Buffer.concat([encodeTarHeader('heads', 2 ** 40 - 1), utf8('short')])
    expect((await readAll(lies)).reader.end?.kind).toBe('cut')
    const huge = Buffer.concat([encodeTarHeader('pax', maxTarNoteBytes + 1), end])
    huge[156] = 'x'.charCodeAt(0)
    expect((await readAll(huge)).reader.end?.kind).toBe('damaged')
  })

  test('a changed byte in a header is noticed, and none makes the reader fail otherwise', () => {
    const header = encodeTarHeader('replica.json', 77)
    holds(
      property(integer({ min: 0, max: 511 }), integer({ min: 1, max: 255 }), (at, by) => {
        const changed = header.slice()
        changed[at] = ((changed[at] as number) + by) % 256
        expect(thrownBy(() => parseTarHeader(changed))).toSatisfy((code) => code === 'E_ARCHIVE' || (at >= 148 && at < 156))
      })
    )
    holds(
      property(uint8Array({ maxLength: 600 }), (bytes) => {
        expect([undefined, 'E_ARCHIVE']).toContain(thrownBy(() => parsePax(bytes)))
      })
    )
  })
})

describe('members', () => {
  test('every path of a medium is known, and no other (ARCHIVE-7)', () => {
    for (const [path, kind] of [
      ['replica.json', 'replica'],
      [`logs/${log}/checkpoint`, 'checkpoint'],
      [`logs/${log}/checkpoint.cose`, 'cose'],
      [`logs/${log}/closed`, 'closed'],
      [`logs/${log}/entries/000000.ndjson`, 'entries'],
      [`logs/${log}/entries/1000000.ndjson`, 'entries'],
      [`logs/${log}/tile/1/000.p/17`, 'tile'],
      [`logs/${log}/tile/0/x001/234`, 'tile'],
      [`blobs/sha256/${hex64}`, 'blob'],
      [`parts/sha256/ab/${hex64}/00000`, 'part']
    ])
      expect([path, memberOf(path as string)?.kind]).toEqual([path, kind])
    for (const path of [
      '',
      'Replica.json',
      'constructor',
      `logs/${log}/entries/0000000.ndjson`,
      `logs/${log}/entries/00000.ndjson`,
      `logs/${log}/tile/1/000.p/0`,
      `logs/${log}/tile/1/000.p/256`,
      `logs/${log}/tile/9/000`,
      `logs/${log}/tile/1/x000/001`,
      `logs/${log}/x/y`,
      `logs/${log.toUpperCase()}/checkpoint`,
      `blobs/sha256/${hex64}/x`,
      `blobs/sha256/${hex64.toUpperCase()}`,
      `parts/sha256/cd/${hex64}/00000`,
      'keys/writer',
      'private/x',
      `${'a/'.repeat(200)}`
    ])
      expect([path, memberOf(path)]).toEqual([path, undefined])
    holds(property(string(), constantFrom('', 'logs/', 'blobs/sha256/'), (name, folder) => void memberOf(folder + name)))
    assert(property(string({ maxLength: 8 }), (name) => memberOf(`private/${name}`) === undefined))
  })
})

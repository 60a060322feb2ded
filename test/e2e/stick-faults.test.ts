import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { writeHome } from '../../src/store/index.ts'
import { Medium } from './media.ts'
import type { Printed } from './process.ts'
import { bytesBelow, chosen, seed, snapshot, StickLab, wrongBlobs } from './stick-lab.ts'

const mebibyte = 1024 * 1024

/** Returns the files of a folder that are on their way. */
function partsIn(root: string): readonly string[] {
  return existsSync(join(root, 'tmp')) ? readdirSync(join(root, 'tmp')).filter((name) => name.endsWith('.part')) : []
}

/** Changes one byte of a file in its middle. */
function rot(path: string): void {
  const bytes = readFileSync(path)
  const at = Math.floor(bytes.length / 2)
  bytes[at] = (bytes[at] as number) ^ 0x20
  writeFileSync(path, bytes)
}

describe(`killed at any step (seed ${seed})`, () => {
  it('an import that is killed leaves a folder that starts, whole lines, nothing half visible, and the next one completes it', async () => {
    await using lab = await StickLab.open()
    await lab.publishNotes('a', 300, 'note')
    const digest = await lab.publishLarge('a', 12 * mebibyte)
    expect((await lab.moved('a', ['export', lab.path('stick')])).code).toBe(0)
    for (let round = 0; round < 4; round++) {
      const import_ = lab.start(['import', lab.path('stick'), '--data', lab.path('b'), '--json'])
      const goal = chosen(`kill ${round}`, 12 * mebibyte)
      const giveUpMs = performance.now() + 20_000
      // counted from the first line on: some rounds die among the logs, some in the blob
      while (
        import_.child.exitCode === null &&
        bytesBelow(lab.path('b/logs')) + bytesBelow(lab.path('b/tmp')) < goal / 8 &&
        performance.now() < giveUpMs
      )
        await setTimeout(chosen(`wait ${round}`, 5))
      await import_.stop('SIGKILL')
      const entries = lab.path(`b/logs/${lab.log}/entries`)
      await lab.ask('b', 'status')
      for (const name of existsSync(entries) ? readdirSync(entries) : [])
        expect(readFileSync(join(entries, name), 'latin1').endsWith('\n')).toBe(true)
      expect(wrongBlobs(lab.path('b')), `seed ${seed}`).toEqual([])
      await lab.ask('b', 'verify')
    }
    const last = await lab.moved('b', ['import', lab.path('stick')])
    expect(last.code, last.stderr).toBe(0)
    await lab.mustBeWhole([digest])
  })
})

describe('no space', () => {
  it('is said before anything is written, where it is known', async () => {
    await using lab = await StickLab.open()
    await lab.publishLarge('a', 20 * mebibyte)
    await using medium = await Medium.make('tmpfs', lab.path('small'), 8 * mebibyte)
    const refused = await lab.moved('a', ['export', medium.path])
    expect(refused.code, refused.stdout).toBe(13)
    expect(refused.stderr).toMatch(/rejoin: error: .*\(E_NO_SPACE\)\nrejoin: hint: /)
    expect(bytesBelow(medium.path)).toBe(0)
  })

  it('keeps what was finished and takes temporaries away, where it shows only while writing', async () => {
    await using lab = await StickLab.open()
    await lab.publishNotes('a', 10, 'note')
    await lab.publishLarge('a', 40 * mebibyte)
    const stick = lab.path('stick')
    mkdirSync(stick)
    // every positional write of a thread from one of them on finds no room; all of a blob's come from one thread
    const inject = ['-e', 'trace=pwrite64', '-e', 'inject=pwrite64:error=ENOSPC:when=30+']
    const full = ['env', 'UV_THREADPOOL_SIZE=1', 'strace', '-f', '-qq', '-o', lab.path('trace'), ...inject]
    const { code, stderr } = await lab.moved('a', ['export', stick], full)
    expect(code, stderr).toBe(13)
    expect(stderr).toContain('E_NO_SPACE')
    expect(partsIn(stick)).toEqual([])
    expect(wrongBlobs(stick)).toEqual([])
    expect((await lab.moved('b', ['import', stick])).result).toMatchObject({ events: 12, complete: false })
    expect((await lab.moved('a', ['export', stick])).code).toBe(0)
    expect((await lab.moved('b', ['import', stick])).result).toMatchObject({ complete: true, missing: 0 })
  })

  it('for one file: a blob that the file system takes in no one file goes into parts, as over 4 GiB on FAT32', async () => {
    await using lab = await StickLab.open()
    const digest = await lab.publishLarge('a', 20 * mebibyte)
    // the limit scaled down: a shell's ulimit, in blocks of 512 bytes
    const shell = ['sh', '-c', `trap '' XFSZ; ulimit -f ${(8 * mebibyte) / 512}; exec "$@"`, 'sh']
    const { code, stderr } = await lab.moved('a', ['export', lab.path('stick')], shell)
    expect(code, stderr).toBe(0)
    expect(readdirSync(lab.path(`stick/parts/sha256/${digest.slice(0, 2)}/${digest}`)).length).toBeGreaterThan(1)
    expect((await lab.run(['check', lab.path('stick')])).code).toBe(0)
    expect((await lab.moved('b', ['import', lab.path('stick')])).code).toBe(0)
    await lab.mustBeWhole([digest])
  })

  it('of the importing node ends with 13 and loses nothing', async () => {
    await using lab = await StickLab.open()
    const digest = await lab.publishLarge('a', 20 * mebibyte)
    expect((await lab.moved('a', ['export', lab.path('stick')])).code).toBe(0)
    await using medium = await Medium.make('tmpfs', lab.path('disk'), 12 * mebibyte)
    cpSync(lab.path('b'), join(medium.path, 'b'), { recursive: true })
    rmSync(lab.path('b'), { recursive: true })
    const args = ['import', lab.path('stick'), '--data', join(medium.path, 'b'), '--json']
    const full = await lab.run(args)
    expect(full.code, full.stderr).toBe(13)
    expect(partsIn(join(medium.path, 'b'))).toEqual([])
    expect((await lab.run(['verify', '--data', join(medium.path, 'b')])).code).toBe(0)
    renameSync(lab.path('stick'), lab.path('stick-2'))
    cpSync(join(medium.path, 'b'), lab.path('b'), { recursive: true })
    expect((await lab.moved('b', ['import', lab.path('stick-2')])).code).toBe(0)
    await lab.mustBeWhole([digest])
  })
})

describe('bit rot', () => {
  it('in a blob, a line, a checkpoint or index.json costs that object alone, is named, and the exit code is 11', async () => {
    await using lab = await StickLab.open()
    await lab.publishNotes('a', 5, 'note')
    const large = await lab.publishLarge('a', 5 * mebibyte)
    const { did } = await lab.init('c')
    await lab.ask('b', 'trust', 'add', 'c', String(did))
    await lab.publishNotes('c', 3, 'other')
    const stick = lab.path('stick')
    for (const node of ['a', 'c']) expect((await lab.moved(node, ['export', stick])).code).toBe(0)
    const rotten = async (
      path: string
    ): Promise<{ readonly code: number | null; readonly bad: readonly Printed[]; readonly result: Printed }> => {
      rmSync(lab.path('copy'), { recursive: true, force: true })
      cpSync(stick, lab.path('copy'), { recursive: true })
      rot(join(lab.path('copy'), path))
      rmSync(lab.path('d'), { recursive: true, force: true })
      cpSync(lab.path('b'), lab.path('d'), { recursive: true })
      const { code, records, result } = await lab.moved('d', ['import', lab.path('copy')])
      const checked = await lab.run(['check', lab.path('copy'), '--json'])
      expect(checked.code, `${path}: ${checked.stdout}${checked.stderr}`).toBe(11)
      expect(checked.stdout).toContain(path.split('/').at(-1))
      return { code, bad: records.filter(({ kind }) => kind === 'fault'), result }
    }
    const blob = await rotten(`blobs/sha256/${large}`)
    expect(blob).toMatchObject({ code: 11, result: { bad: 1 } })
    expect(JSON.stringify(blob.bad)).toContain(large)
    // the chunk of 1 MiB in which the byte is
    expect(blob.bad[0]).toMatchObject({ offset: 2 * mebibyte })
    const line = await rotten(`logs/${lab.log}/entries/000000.ndjson`)
    expect(line.code).toBe(11)
    expect(JSON.stringify(line.bad)).toContain(lab.log)
    // all but that line is taken: six of this log, and the other one
    expect(line.result['events']).toBe(10)
    const checkpoint = await rotten(`logs/${lab.log}/checkpoint`)
    expect(checkpoint).toMatchObject({ code: 11, result: { events: 4 } })
    const index = await rotten('index.json')
    expect([0, 11]).toContain(index.code)
    expect(index.result['events']).toBeGreaterThan(8)
  })
})

describe('errors of the medium', () => {
  it.each([
    ['fsync', 'fsync,fdatasync'],
    ['rename', 'rename,renameat,renameat2']
  ])('EIO of %s ends an export as a yank does, and what it was for does not count', async (name, calls) => {
    await using lab = await StickLab.open()
    await lab.publishNotes('a', 3, 'note')
    const digest = await lab.publishLarge('a', 3 * mebibyte)
    const stick = lab.path('stick')
    mkdirSync(stick)
    const trace = [
      'strace',
      '-f',
      '-qq',
      '-o',
      lab.path('trace'),
      '-P',
      stick,
      '-e',
      `trace=${calls}`,
      '-e',
      `inject=${calls}:error=EIO:when=${2 + chosen(name, 3)}`
    ]
    // strace's -P takes calls about paths; fsync of an open file is one by its descriptor
    const { code, stderr } = await lab.moved(
      'a',
      ['export', stick],
      trace.filter((word, i, all) => word !== '-P' && all[i - 1] !== '-P')
    )
    expect(code, `seed ${seed}: ${stderr}`).toBe(14)
    expect(wrongBlobs(stick)).toEqual([])
    const again = await lab.moved('a', ['export', stick])
    expect(again.code, again.stderr).toBe(0)
    expect((await lab.moved('b', ['import', stick])).code).toBe(0)
    await lab.mustBeWhole([digest])
  })
})

describe('shipments', () => {
  it('repeated, reordered and missing ones do no harm: what is there counts once, a gap is named', async () => {
    await using lab = await StickLab.open()
    const sticks: string[] = []
    for (let n = 0; n < 3; n++) {
      await lab.publishNotes('a', 5, `note-${n}`)
      const stick = lab.path(`stick-${n}`)
      expect((await lab.moved('a', ['export', stick])).code).toBe(0)
      sticks.push(stick)
    }
    const order = [2, 0, 2, 1, 0]
    for (const n of order) {
      const { code, stderr } = await lab.moved('b', ['import', sticks[n] as string])
      expect(code, stderr).toBe(0)
    }
    await lab.mustBeWhole()
    expect((await lab.events('b')).length).toBe((await lab.events('a')).length + 1)
    expect((await lab.moved('b', ['import', sticks[0] as string])).result).toMatchObject({ events: 0, blobs: 0 })
  })

  it('an older checkpoint beside newer lines, and the reverse, as plain cp leaves them: what is still proven counts', async () => {
    await using lab = await StickLab.open()
    await lab.publishNotes('a', 5, 'old')
    expect((await lab.moved('a', ['export', lab.path('old')])).code).toBe(0)
    await lab.publishNotes('a', 5, 'new')
    expect((await lab.moved('a', ['export', lab.path('new')])).code).toBe(0)
    const mix = (name: string, lines: string, checkpoint: string): string => {
      const to = lab.path(name)
      cpSync(lab.path(lines), to, { recursive: true })
      for (const file of ['checkpoint', 'checkpoint.cose'])
        cpSync(lab.path(`${checkpoint}/logs/${lab.log}/${file}`), join(to, `logs/${lab.log}/${file}`))
      return to
    }
    const rolledBack = await lab.moved('b', ['import', mix('rolled-back', 'new', 'old')])
    expect(rolledBack.result).toMatchObject({ events: 6 })
    const ahead = await lab.moved('b', ['import', mix('ahead', 'old', 'new')])
    expect([10, 11]).toContain(ahead.code)
    expect(JSON.stringify(ahead.records)).toContain(lab.log)
    expect((await lab.moved('b', ['import', lab.path('new')])).result).toMatchObject({ complete: true, events: 5 })
    // and a checkpoint that goes back does nothing any more
    expect((await lab.moved('b', ['import', lab.path('old')])).result).toMatchObject({ events: 0 })
    await lab.mustBeWhole()
  })
})

describe('a forked log', () => {
  it('ends an import with 15; both heads are kept, that log is frozen, and the others are imported', async () => {
    await using lab = await StickLab.open()
    const { did } = await lab.init('c')
    await lab.ask('b', 'trust', 'add', 'c', String(did))
    await lab.publishNotes('a', 3, 'common')
    // the same folder goes on in two places; its home is told that it was moved, so that it does not notice
    cpSync(lab.path('a'), lab.path('twin'), { recursive: true, preserveTimestamps: true })
    await lab.publishNotes('a', 2, 'left')
    expect((await lab.moved('a', ['export', lab.path('left')])).code).toBe(0)
    renameSync(lab.path('a'), lab.path('away'))
    renameSync(lab.path('twin'), lab.path('a'))
    writeHome(lab.path('a'))
    rmSync(lab.path('state'), { recursive: true, force: true })
    await lab.publishNotes('a', 3, 'right')
    await lab.publishNotes('c', 2, 'other')
    for (const node of ['a', 'c']) expect((await lab.moved(node, ['export', lab.path('right')])).code).toBe(0)
    expect((await lab.moved('b', ['import', lab.path('left')])).code).toBe(0)
    const before = await lab.events('b')
    const forked = await lab.moved('b', ['import', lab.path('right')])
    expect(forked.code, forked.stderr + forked.stdout).toBe(15)
    expect(forked.result).toMatchObject({ conflicts: 1 })
    const after = await lab.events('b')
    expect(after).toEqual(expect.arrayContaining([...before]))
    // c's log: its first line and two notes
    expect(after.length).toBe(before.length + 3)
    const [status] = await lab.ask('b', 'status')
    expect(JSON.stringify(status?.['conflicts'])).toContain(lab.log)
    const kept = existsSync(lab.path(`b/logs/${lab.log}/fork`)) || existsSync(lab.path(`b/private/forks/${lab.log}`))
    expect(kept).toBe(true)
    await lab.ask('b', 'verify')
  })
})

describe('what is not known here', () => {
  it('an unknown author is refused by rule, the dry run shows the rule, and nothing of the text is kept', async () => {
    await using lab = await StickLab.open()
    await lab.init('stranger')
    await lab.publishNotes('stranger', 3, 'strange')
    await lab.publishNotes('a', 2, 'note')
    for (const node of ['stranger', 'a']) expect((await lab.moved(node, ['export', lab.path('stick')])).code).toBe(0)
    const dry = await lab.moved('b', ['import', lab.path('stick'), '--dry-run'])
    expect(dry.code, dry.stderr).toBe(0)
    expect(JSON.stringify(dry.records)).toContain('unknown-author')
    expect(await lab.events('b')).toHaveLength(1)
    expect((await lab.moved('b', ['import', lab.path('stick')])).result).toMatchObject({ complete: true, events: 3 })
    const found = [...snapshot(lab.path('b')).keys()].filter(
      (path) => !path.startsWith('index/') && readFileSync(join(lab.path('b'), path)).includes('strange')
    )
    expect(found).toEqual([])
  })

  it('foreign files stay as they are and are reported; where others lie there, ours go into a folder of their own', async () => {
    await using lab = await StickLab.open()
    await lab.publishNotes('a', 2, 'note')
    const stick = lab.path('stick')
    mkdirSync(join(stick, 'Photos'), { recursive: true })
    writeFileSync(join(stick, 'Photos/holiday.jpg'), 'jpeg')
    writeFileSync(join(stick, 'thesis.odt'), 'text')
    expect((await lab.moved('a', ['export', stick])).code).toBe(0)
    expect(readdirSync(stick).toSorted()).toEqual(['Photos', 'rejoin', 'thesis.odt'])
    writeFileSync(join(stick, 'rejoin/logs/notes.txt'), 'mine')
    const before = snapshot(stick)
    const imported = await lab.moved('b', ['import', stick])
    expect(imported.result).toMatchObject({ complete: true, events: 3 })
    const after = snapshot(stick)
    for (const name of ['Photos/holiday.jpg', 'thesis.odt', 'rejoin/logs/notes.txt'])
      expect(after.get(name)).toBe(before.get(name))
    const checked = await lab.run(['check', stick, '--json'])
    expect(checked.stdout).toContain('logs/notes.txt')
  })
})

describe('clocks', () => {
  it.each(['1970-01-02 00:00:00', '+10y'])(
    'TRUST-7 at %s on either side make no difference to what is imported',
    async (time) => {
      await using lab = await StickLab.open()
      await lab.publishNotes('a', 4, 'note')
      const wrong = ['faketime', '-f', time.startsWith('+') ? time : `@${time}`]
      expect((await lab.moved('a', ['export', lab.path('stick')], wrong)).code).toBe(0)
      const imported = await lab.moved('b', ['import', lab.path('stick')], wrong)
      expect(imported.code, imported.stderr).toBe(0)
      expect(imported.result).toMatchObject({ complete: true, events: 5, held: 0, refused: 0 })
      await lab.mustBeWhole()
    }
  )
})

describe('media that cannot be written', () => {
  it.each(['fat32', 'exfat'] as const)(
    '%s, read-only: the import works, the receipt stays here, and the code is printed',
    async (kind) => {
      await using lab = await StickLab.open()
      await lab.publishNotes('a', 4, 'note')
      await using medium = await Medium.make(kind, lab.path('stick'), 64 * mebibyte)
      expect((await lab.moved('a', ['export', medium.path])).code).toBe(0)
      await medium.unmount()
      await medium.mount({ readOnly: true })
      const before = snapshot(medium.path)
      const imported = await lab.moved('b', ['import', medium.path])
      expect(imported.code, imported.stderr).toBe(0)
      expect(imported.result).toMatchObject({ complete: true, events: 5 })
      // six words, to be read over a telephone
      expect(String(imported.result['code'])).toMatch(/^([a-z]+ ){5}[a-z]+$/)
      expect(snapshot(medium.path)).toEqual(before)
      await lab.mustBeWhole()
      await lab.publishNotes('a', 1, 'more')
      const refused = await lab.moved('a', ['export', medium.path])
      expect(refused.code).not.toBe(0)
      expect(refused.stderr).toMatch(/E_PERMISSION|E_IO/)
    }
  )

  it('appends nothing to a file that another program holds open, and leaves no lock', async () => {
    await using lab = await StickLab.open()
    await lab.publishNotes('a', 2, 'note')
    const stick = lab.path('stick')
    expect((await lab.moved('a', ['export', stick])).code).toBe(0)
    const entries = join(stick, `logs/${lab.log}/entries/000000.ndjson`)
    appendFileSync(entries, 'torn tai')
    const sizeBytes = statSync(entries).size
    expect((await lab.moved('b', ['import', stick])).result).toMatchObject({ complete: true, events: 3 })
    expect(statSync(entries).size).toBe(sizeBytes)
    await lab.publishNotes('a', 2, 'more')
    expect((await lab.moved('a', ['export', stick])).code).toBe(0)
    expect(readFileSync(entries, 'utf8')).not.toContain('torn')
    expect((await lab.moved('b', ['import', stick])).code).toBe(0)
    await lab.mustBeWhole()
  })
})

import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Runs a program to its end and returns how long it took, in seconds. */
export function timed(command: string, args: readonly string[], cwd?: string): number {
  const start = performance.now()
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'ignore'], maxBuffer: 1 << 28, ...(cwd && { cwd }) })
  return (performance.now() - start) / 1000
}

/** Plain cp of a file or folder, and the time until it is on the disk, in seconds. */
export function copySeconds(from: string, to: string): number {
  const copied = timed('cp', ['-r', from, to])
  return copied + timed('sync', ['-f', to])
}

/** One SHA-256 of a file by OpenSSL, three times as fast as sha256sum here, in seconds. */
export function hashSeconds(path: string): number {
  return timed('openssl', ['dgst', '-sha256', path])
}

/** rsync onto a medium and off it, each made durable, and sha256sum of everything that arrived, in seconds. */
export function rsyncSeconds(from: string, place: string): number {
  const [stick, far] = [join(place, 'rsync-stick'), join(place, 'rsync-far')]
  const there = timed('rsync', ['-a', `${from}/`, stick]) + timed('sync', ['-f', stick])
  const back = timed('rsync', ['-a', `${stick}/`, far]) + timed('sync', ['-f', far])
  const sums = timed('sh', ['-c', `cd '${far}' && find . -type f -print0 | xargs -0 sha256sum > /dev/null`])
  for (const folder of [stick, far]) rmSync(folder, { recursive: true })
  return there + back + sums
}

/** git-annex: adding the files is not counted; copying to a directory remote, and getting them in a clone, in seconds. */
export function annexSeconds(files: string, place: string): number {
  const [near, far, stick] = [join(place, 'annex-a'), join(place, 'annex-b'), join(place, 'annex-stick')]
  mkdirSync(stick)
  const shell = (script: string): number => timed('sh', ['-ec', script])
  const git = `git -c user.name=bench -c user.email=bench@localhost -c init.defaultBranch=main`
  shell(
    `${git} init -q '${near}'; cd '${near}'; git config user.name bench; git config user.email bench@localhost; git annex init a; cp -r '${files}' files; git annex add -q .; git commit -qm files; git annex initremote stick type=directory directory='${stick}' encryption=none`
  )
  const there = shell(`cd '${near}'; git annex copy -q --to stick .`)
  shell(
    `git clone -q '${near}' '${far}'; cd '${far}'; git config user.name bench; git config user.email bench@localhost; git annex init b; git annex enableremote stick directory='${stick}'`
  )
  const back = shell(`cd '${far}'; git annex get -q --from stick .`)
  shell(`chmod -R u+w '${near}' '${far}' '${stick}'; rm -rf '${near}' '${far}' '${stick}'`)
  return there + back
}

/** NNCP: a file put into packets, onto the medium, off it and unpacked, in seconds: out and in. */
export function nncpSeconds(file: string, place: string): { readonly out: number; readonly into: number } {
  const stick = join(place, 'nncp-stick')
  mkdirSync(stick)
  const make = (name: string): { readonly path: string; readonly text: string; readonly id: string } => {
    const folder = join(place, `nncp-${name}`)
    for (const one of ['in', 'spool']) mkdirSync(join(folder, one), { recursive: true })
    const text = execFileSync('nncp-cfgnew', ['-nocomments'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore']
    }).replaceAll('/var/spool/nncp', join(folder, 'spool'))
    return { path: join(folder, 'cfg'), text, id: /id: (\w+)/.exec(text)?.[1] ?? '' }
  }
  const [a, b] = [make('a'), make('b')]
  /** Returns the block about a node itself, as a neighbour of the other. */
  const block = (text: string, name: string, folder: string): string =>
    text
      .slice(text.indexOf('neigh: {\n') + 9, text.indexOf('      exec:'))
      .replace('self: {', `${name}: {`)
      .concat(`      incoming: ${join(place, folder, 'in')}\n    }\n`)
  writeFileSync(a.path, a.text.replace('neigh: {\n', `neigh: {\n${block(b.text, 'other', 'nncp-a')}`))
  writeFileSync(b.path, b.text.replace('neigh: {\n', `neigh: {\n${block(a.text, 'other', 'nncp-b')}`))
  const out =
    timed('nncp-file', ['-quiet', '-cfg', a.path, file, 'other:']) +
    timed('nncp-xfer', ['-quiet', '-mkdir', '-cfg', a.path, stick])
  const into = timed('nncp-xfer', ['-quiet', '-cfg', b.path, stick]) + timed('nncp-toss', ['-quiet', '-cfg', b.path])
  const arrived = join(place, 'nncp-b/in', file.split('/').at(-1) ?? '')
  if (statSync(arrived).size !== statSync(file).size) throw new Error('nncp brought another file')
  for (const folder of ['nncp-a', 'nncp-b', 'nncp-stick']) rmSync(join(place, folder), { recursive: true })
  return { out, into }
}

/** skopeo from one OCI layout into another, in seconds. */
export function skopeoSeconds(layout: string, tag: string, place: string): number {
  const to = join(place, 'skopeo-stick')
  const took = timed('skopeo', ['copy', '--quiet', `oci:${layout}:${tag}`, `oci:${to}:${tag}`]) + timed('sync', ['-f', to])
  rmSync(to, { recursive: true })
  return took
}

// Makes the published command line: node scripts/bundle.ts [FOLDER], by default dist/cli. What is ours goes into few files, since reading 400 took a command 0.15 s
// of its 0.35 s; packages of others stay packages. FOLDER must lie two below the project, as src/cli does: schemas are found from there.
import { rmSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { argv } from 'node:process'
import { rolldown } from 'rolldown'

const project = resolve(import.meta.dirname, '..')

/**
 * Writes the command line, and the thread that hashes, to a folder; what was there goes.
 * @param others further programs to write beside it, by name
 * @throws where src does not hold together
 */
export async function bundle(folder: string, others: Readonly<Record<string, string>> = {}): Promise<void> {
  if (relative(project, folder).split('/').length !== 2) throw new Error(`${folder} does not lie two below the project`)
  rmSync(folder, { recursive: true, force: true })
  const sources = await rolldown({
    input: { main: join(project, 'src/cli/main.ts'), 'hash-worker': join(project, 'src/store/hash-worker.ts'), ...others },
    platform: 'node',
    external: (id) => !id.startsWith('.') && !id.startsWith('/')
  })
  try {
    await sources.write({ dir: folder, format: 'esm', entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' })
  } finally {
    await sources.close()
  }
}

if (argv[1] === import.meta.filename) await bundle(resolve(argv[2] ?? join(project, 'dist/cli')))

import type { Command } from 'commander'
import type { Context } from './context.ts'

type Add = (spec: string, text: string) => Command
type Action = <Args extends readonly unknown[]>(
  run: (context: Context, ...args: Args) => Promise<number>
) => (...all: unknown[]) => Promise<void>

const many = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]

/** Adds the commands that put content in, take it out and list it. */
export function addContentCommands(add: Add, action: Action): void {
  add('publish <file...>', 'publish documents, files, OCI layout folders or CNAB thick bundles; - is standard input')
    .option('--type <type>', 'kind of document, or a media type for any other file')
    .option('--subject <digest>', 'artifact that these are about')
    .option('--annotation <key=value>', 'annotation of the manifest (repeatable)', many)
    .option('--repo <name>', 'repository')
    .option('--tag <tag>', 'tag in the repository')
    .action(
      action(
        async (context, files: readonly string[], flags: object) =>
          await (await import('./commands/publish.ts')).publishFiles(context, files, flags)
      )
    )
  add('get <what>', 'write the document of a digest or REPO:TAG, an image, or a CNAB bundle')
    .option('-o, --output <path>', 'file or folder to write; - is standard output')
    .option('--manifest', 'the manifest instead')
    .option('--format <format>', 'oci-layout (a folder, or FILE.tar), docker-archive, cnab-thick or cnab-relocation-map')
    .option('--platform <os/arch>', 'with docker-archive, of an image for several')
    .option('--registry <host:port>', 'with cnab-relocation-map: where runtimes reach the registry of this node')
    .action(
      action(async (context, what: string, flags: object) => await (await import('./commands/get.ts')).get(context, what, flags))
    )
  add('show <what>', 'all that is known of LOG/INDEX, a digest or REPO:TAG').action(
    action(async (context, what: string) => await (await import('./commands/show.ts')).show(context, what))
  )
  add('log [log]', 'list events of one log or of all')
    .option('-f, --follow', 'go on as events arrive')
    .option('--last <count>', 'only the newest of each log')
    .option('--installations', 'the installations that CNAB claims are about, each with its last state')
    .option('--installation <name>', 'the CNAB claims of one installation, with their results')
    .action(
      action(
        async (context, name: string | undefined, flags: object) =>
          await (await import('./commands/log.ts')).log(context, name, flags)
      )
    )
}

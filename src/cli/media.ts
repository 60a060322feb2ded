import type { Command } from 'commander'
import type { Context } from './context.ts'

type Add = (spec: string, text: string) => Command
type Action = <Args extends readonly unknown[]>(
  run: (context: Context, ...args: Args) => Promise<number>
) => (...all: unknown[]) => Promise<void>

const many = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]

/** Adds the commands that work on replicas that are files: folders, archives, encrypted media. */
export function addMediaCommands(add: Add, action: Action): void {
  add('export [replica]', 'write what this node passes on to a folder, to FILE.tar, FILE.tar.zst or - (standard output)')
    .option('--repo <pattern>', 'only repositories that fit (repeatable), with all that refers to them', many)
    .option('--type <pattern>', 'only event types, artifact types or media types that fit (repeatable)', many)
    .option(
      '--since <time>',
      'only events from then on: 2026-11-01, or 30d for thirty days ago; or a file with a frontier that is held there'
    )
    .option('--to <node>', 'leave out what this node is known to hold (repeatable)', many)
    .option('--assume <node>', 'leave out what this node is assumed to hold')
    .option('--platform <os/arch>', 'of images for several, only these (repeatable); their index stays whole', many)
    .option('--max-bytes <size>', 'no more than this on one medium: 4GiB')
    .option('--volumes', 'as many media of --max-bytes as it takes, each useful alone')
    .option('--encrypt-to <recipient>', 'age recipient that may read it (repeatable): each file an age file in a folder', many)
    .option('--one-way [target]', 'no answer can come back: repeat all that was not confirmed by --match')
    .option('--overlap <count>', 'with --one-way: repeat only what the last exports carried')
    .option('--match <words>', 'with --one-way: six words of `rejoin status --code` on the far side confirm what has arrived')
    .option('--dry-run', 'print what would go and why, and write nothing')
    .action(
      action(
        async (context, replica: string | undefined, flags: object) =>
          await (await import('./commands/export.ts')).exportTo(context, replica, flags)
      )
    )
  add('import <replica>', 'take in what a folder, the URL of one, an archive or standard input (-) holds and the rules want')
    .option('--identity <file>', 'age identity that opens an encrypted medium')
    .option('--dry-run', 'only say what the rules would make of it')
    .action(
      action(
        async (context, replica: string, flags: object) =>
          await (await import('./commands/import.ts')).importFrom(context, replica, flags)
      )
    )
  add('check <replica>', 'as verify, for a folder, an archive or standard input (-): needs no node and writes nothing')
    .option('--identity <file>', 'age identity that opens an encrypted medium')
    .action(
      action(
        async (context, replica: string, flags: object) =>
          await (await import('./commands/check.ts')).check(context, replica, flags)
      )
    )
}

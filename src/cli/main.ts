#!/usr/bin/env node
import { Command, CommanderError } from 'commander'
import { type Context, dataFolder, type GlobalOptions, stopSignal } from './context.ts'
import { printError } from './output.ts'

const version = '0.1.0'
let exitCode = 0

/** Returns the action of a command: it gets its arguments and options, and the context that the global options give. */
function action<Args extends readonly unknown[]>(
  run: (context: Context, ...args: Args) => Promise<number>
): (...all: unknown[]) => Promise<void> {
  return async (...all) => {
    const command = all.pop() as Command
    const { data, json = false, quiet = false } = command.optsWithGlobals<GlobalOptions>()
    const context: Context = { root: dataFolder(data), json, quiet, signal: stopSignal() }
    try {
      exitCode = await run(context, ...(all as unknown as Args))
    } catch (error) {
      exitCode = printError(context.signal.aborted ? context.signal.reason : error, json)
    }
  }
}

const many = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]

/** Returns the command line: every command loads its own file only when it runs. */
function program(): Command {
  const root = new Command('rejoin')
  root
    .description('offline-first peer-to-peer sync node for the software supply chain')
    .version(version)
    .exitOverride()
    .showHelpAfterError('(rejoin --help lists the commands)')
  const add = (spec: string, text: string): Command =>
    root
      .command(spec)
      .description(text)
      .option('--data <dir>', 'data folder (or REJOIN_DATA)')
      .option('--json', 'one JSON object a line')
      .option('--quiet', 'only results and errors')
  add('init', 'make a node in the data folder')
    .requiredOption('--name <name>', 'name of the node')
    .option('--network <name>', 'private network that it belongs to', 'main')
    .action(
      action(
        async (context, flags: { name: string; network: string }) =>
          await (await import('./commands/init.ts')).init(context, flags)
      )
    )
  add('up', 'bring the node up until SIGTERM or Ctrl-C')
    .option('--listen <multiaddr>', 'listen here (repeatable)', many)
    .option('--peer <multiaddr>', 'keep connected to this peer (repeatable)', many)
    .option('--no-mdns', 'do not look for peers on the LAN')
    .option('--next', 'say what to try next')
    .action(action(async (context, flags: object) => await (await import('./commands/up.ts')).up(context, flags)))
  add('id', 'who this node is').action(action(async (context) => await (await import('./commands/id.ts')).id(context)))
  add('status', 'what this node holds and whom it is connected to').action(
    action(async (context) => await (await import('./commands/status.ts')).status(context))
  )
  add('publish <file...>', 'publish documents, files or OCI layout folders; - is standard input')
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
  add('get <what>', 'write the document of a digest or REPO:TAG')
    .option('-o, --output <path>', 'file or folder to write')
    .option('--manifest', 'the manifest instead')
    .action(
      action(async (context, what: string, flags: object) => await (await import('./commands/get.ts')).get(context, what, flags))
    )
  add('show <what>', 'all that is known of LOG/INDEX, a digest or REPO:TAG').action(
    action(async (context, what: string) => await (await import('./commands/show.ts')).show(context, what))
  )
  add('log [log]', 'list events of one log or of all')
    .option('-f, --follow', 'go on as events arrive')
    .option('--last <count>', 'only the newest of each log')
    .action(
      action(
        async (context, name: string | undefined, flags: object) =>
          await (await import('./commands/log.ts')).log(context, name, flags)
      )
    )
  add('sync [peer...]', 'sync with peers: multiaddrs, peer IDs or names; none means all that are connected').action(
    action(async (context, peers: readonly string[]) => await (await import('./commands/sync.ts')).sync(context, peers))
  )
  add('verify [folder]', 'derive everything again from the flat files and name what is wrong').action(
    action(async (context, folder: string | undefined) => await (await import('./commands/verify.ts')).verify(context, folder))
  )
  add('proof <event>', 'write the proof that LOG/INDEX, or the newest event about a digest, is in its log')
    .option('--format <format>', 'tlog-proof or cose', 'tlog-proof')
    .option('-o, --output <file>', 'file to write')
    .option('--entry <file>', "write the event's exact bytes here")
    .action(
      action(
        async (context, event: string, flags: object) => await (await import('./commands/proof.ts')).proof(context, event, flags)
      )
    )
  add('peers', 'peers, and writers that were heard of').action(
    action(async (context) => await (await import('./commands/peers.ts')).peers(context))
  )
  add('doctor', 'look the data folder over')
    .option('--reindex', 'make the index again from the logs')
    .action(action(async (context, flags: object) => await (await import('./commands/doctor.ts')).doctor(context, flags)))
  const trust = root.command('trust').description('whose events this node lets in')
  const addTrust = (spec: string, text: string): Command =>
    trust.command(spec).description(text).option('--data <dir>').option('--json').option('--quiet')
  addTrust('add <name> <key>', 'trust a did:key, verifier key or peer ID').action(
    action(
      async (context, name: string, key: string) => await (await import('./commands/trust.ts')).trust(context, 'add', name, key)
    )
  )
  addTrust('remove <name>', 'no longer trust an identity').action(
    action(async (context, name: string) => await (await import('./commands/trust.ts')).trust(context, 'remove', name))
  )
  addTrust('show', 'list the identities').action(
    action(async (context) => await (await import('./commands/trust.ts')).trust(context, 'show'))
  )
  return root
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
})
try {
  await program().parseAsync()
} catch (error) {
  exitCode = error instanceof CommanderError ? (error.exitCode === 0 ? 0 : 2) : printError(error, process.argv.includes('--json'))
}
process.exitCode = exitCode

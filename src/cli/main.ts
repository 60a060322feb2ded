#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { Command, CommanderError } from 'commander'
import type { ForgeArgs } from '../forge/index.ts'
import { compiledFolder, type Context, dataFolder, type GlobalOptions } from './context.ts'
import { addContentCommands } from './content.ts'
import { addMediaCommands } from './media.ts'

const version = '0.1.0'
let exitCode = 0

/** Prints an error and returns the exit code; loaded late, as core is, so that --help need not wait for it. */
async function failed(error: unknown, json: boolean): Promise<number> {
  return (await import('./output.ts')).printError(error, json)
}

/** Returns the action of a command: it gets its arguments and options, and the context that the global options give. */
function action<Args extends readonly unknown[]>(
  run: (context: Context, ...args: Args) => Promise<number>
): (...all: unknown[]) => Promise<void> {
  return async (...all) => {
    const command = all.pop() as Command
    const { data, json = false, quiet = false } = command.optsWithGlobals<GlobalOptions>()
    const { stopSignal } = await import('./stop-signal.ts')
    const context: Context = { root: dataFolder(data), json, quiet, signal: stopSignal() }
    try {
      exitCode = await run(context, ...(all as unknown as Args))
    } catch (error) {
      exitCode = await failed(context.signal.aborted ? context.signal.reason : error, json)
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
    .option('--http <host:port>', 'serve over HTTP here: logs, blobs, an OCI registry; port 0 takes any')
    .option('--peer <multiaddr>', 'keep connected to this peer (repeatable)', many)
    .option('--no-mdns', 'do not look for peers on the LAN')
    .option('--witness', 'cosign the heads of other logs')
    .option('--next', 'say what to try next')
    .action(action(async (context, flags: object) => await (await import('./commands/up.ts')).up(context, flags)))
  add('id', 'who this node is')
    .option('--audience <aud>', 'print only the audience of a token for this node, for who has AUD in its trust file')
    .action(action(async (context, flags: { audience?: string }) => await (await import('./commands/id.ts')).id(context, flags)))
  add('status', 'what this node holds and whom it is connected to')
    .option('--code', 'only the six words that stand for what it holds of others, to read over a telephone')
    .action(action(async (context, flags: object) => await (await import('./commands/status.ts')).status(context, flags)))
  addContentCommands(add, action)
  addMediaCommands(add, action)
  add(
    'sync [replica...]',
    'sync with peers (multiaddrs, peer IDs or names; none means all that are connected), a folder, or two folders; take from the URL of one'
  )
    .option('--identity <file>', 'age identity that opens an encrypted folder')
    .option('--encrypt-to <recipient>', 'age recipient that may read what is written to it (repeatable)', many)
    .action(
      action(
        async (context, peers: readonly string[], flags: object) =>
          await (await import('./commands/sync.ts')).sync(context, peers, flags)
      )
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
  const peers = add('peers', 'peers with their score, and writers that were heard of').action(
    action(async (context) => await (await import('./commands/peers.ts')).peers(context))
  )
  const addRuling = (name: 'block' | 'allow' | 'reset', text: string): Command =>
    peers
      .command(`${name} <peer>`)
      .description(text)
      .option('--data <dir>')
      .option('--json')
      .option('--quiet')
      .action(
        action(
          async (context, peer: string, flags: { because?: string }) =>
            await (await import('./commands/peers.ts')).peers(context, { action: name, peer, ...flags })
        )
      )
  addRuling('block', 'neither dial a peer nor let it in').option('--because <text>', 'the reason, kept with it')
  addRuling('allow', 'let a peer in whatever its score').option('--because <text>', 'the reason, kept with it')
  addRuling('reset', 'take back what was said about a peer, and its score')
  add('doctor', 'look the data folder over')
    .option('--reindex', 'make the index again from the logs')
    .option('--new-log', 'go on in a new log that names the old one, where the lost end of the own log does not come back')
    .option(
      '--adopt <log>',
      'say again in the own log what stands here in an earlier log of its own that forked, from the fork on'
    )
    .action(action(async (context, flags: object) => await (await import('./commands/doctor.ts')).doctor(context, flags)))
  add('gc', 'delete what the retention rules of config.yaml let go, and blobs that nothing names')
    .option('--dry-run', 'only say what would go')
    .option('--older-than <duration>', 'blobs that nothing names stay for so long; 1h where left out')
    .action(
      action(
        async (context, flags: { dryRun?: boolean; olderThan?: string }) =>
          await (await import('./commands/gc.ts')).gc(context, flags)
      )
    )
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
  addTrust('reload', 'read trust.yaml again, as a node that is up does by itself soon after it changed').action(
    action(async (context) => await (await import('./commands/trust.ts')).trust(context, 'reload'))
  )
  addRuleCommands(addTrust)
  addKeyCommands(trust)
  addTokenCommands(trust)
  addTriage(add)
  addForge(root)
  return root
}

type Add = (spec: string, text: string) => Command

/** Adds the commands that look into trust files and verdicts. */
function addRuleCommands(addTrust: Add): void {
  addTrust('check [file]', 'name all that is wrong with a trust file, with its place; needs no node').action(
    action(
      async (context, file: string | undefined) => await (await import('./commands/trust-check.ts')).trustCheck(context, file)
    )
  )
  addTrust('explain <event>', 'why LOG/INDEX, or the newest event about a digest, has its verdict').action(
    action(async (context, event: string) => await (await import('./commands/trust-explain.ts')).trustExplain(context, event))
  )
  addTrust('test <file>', 'try a trust file on the whole history and print what would change; 1 where anything gets weaker')
    .option('--since <time>', 'only events from then on: 2026-11-01, or 30d for thirty days ago')
    .option('--log <log>', 'only the events of one log')
    .option('--all', 'print every change, not the first fifty')
    .option('--allow-weaken', 'exit with 0 even where it lets more in than now')
    .action(
      action(
        async (context, file: string, flags: object) =>
          await (await import('./commands/trust-test.ts')).trustTest(context, file, flags)
      )
    )
  addTrust('diff <a> [b]', 'what changes from one trust file to another; with one, from that of the node').action(
    action(
      async (context, a: string, b: string | undefined) =>
        await (await import('./commands/trust-diff.ts')).trustDiff(context, a, b)
    )
  )
}

/** Adds `triage`. */
function addTriage(add: Add): void {
  const triage = add('triage', 'held events with the reasons, by rule and author')
    .option('--watch', 'go on as others come to be held')
    .action(action(async (context, flags: object) => await (await import('./commands/triage.ts')).triage(context, flags)))
  const addRuling = (name: 'accept' | 'refuse' | 'withdraw', text: string): Command =>
    triage
      .command(`${name} <event...>`)
      .description(text)
      .option('--data <dir>')
      .option('--json')
      .option('--quiet')
      .option('--because <text>', 'the reason, kept with it')
      .action(
        action(
          async (context, events: readonly string[], { because, keep }: { because?: string; keep?: boolean }) =>
            await (await import('./commands/triage.ts')).decide(context, {
              action: name,
              events,
              ...(because !== undefined && { because }),
              ...(keep === true && { keep })
            })
        )
      )
  addRuling('accept', 'let events in whatever the rules say').option('--keep', 'use them here, and pass nothing on')
  addRuling('refuse', 'refuse events whatever the rules say')
  addRuling('withdraw', 'take back what was decided about events: the rules decide again')
}

/** Adds `forge …`. */
function addForge(root: Command): void {
  const forge = root.command('forge').description('follow a central registry that may be away')
  const below = (parent: Command, spec: string, text: string): Command =>
    parent.command(spec).description(text).option('--data <dir>').option('--json').option('--quiet')
  const run = async (context: Context, args: ForgeArgs): Promise<number> =>
    await (await import('./commands/forge.ts')).forge(context, args)
  below(forge, 'add <url>', 'follow a registry: https://HOST[:PORT]; all of it where no pattern is given')
    .option('--pull <pattern>', "what to pull: 'apps/**', 'apps/web:v1.*', 'apps/web:semver:^1.2' (repeatable)", many)
    .option('--push <pattern>', 'repositories to push back what is published here (repeatable)', many)
    .option('--name <name>', 'of its identity in trust.yaml; its host where left out')
    .option('--interval <seconds>', 'how often to look', Number)
    .option('--on-conflict <who>', 'who wins where both moved a tag: show (nobody), forge or site')
    .action(
      action(
        async (
          context,
          url: string,
          { interval, ...flags }: { pull?: readonly string[]; push?: readonly string[]; interval?: number; onConflict?: 'show' }
        ) => await run(context, { action: 'add', url, ...flags, ...(interval !== undefined && { intervalSeconds: interval }) })
      )
    )
  below(forge, 'list', 'forges, whether they are there, and what waits').action(
    action(async (context) => await run(context, { action: 'list' }))
  )
  below(forge, 'remove <url>', 'follow a forge no more').action(
    action(async (context, url: string) => await run(context, { action: 'remove', url }))
  )
  below(forge, 'sync [url]', 'pull and push now').action(
    action(async (context, url: string | undefined) => await run(context, { action: 'sync', ...(url !== undefined && { url }) }))
  )
  const outbox = forge.command('outbox').description('requests that wait for a forge')
  below(outbox, 'list', 'all of them, in their order').action(
    action(async (context) => await run(context, { action: 'outbox-list' }))
  )
  below(outbox, 'show <id>', 'one of them').action(
    action(async (context, id: string) => await run(context, { action: 'outbox-show', id }))
  )
  below(outbox, 'retry [id]', 'send now')
    .option('--overwrite', "even where the forge's tag was moved too")
    .action(
      action(
        async (context, id: string | undefined, flags: { overwrite?: boolean }) =>
          await run(context, { action: 'outbox-retry', ...(id !== undefined && { id }), ...flags })
      )
    )
  below(outbox, 'drop <id>', 'do not send it: what the forge has counts').action(
    action(async (context, id: string) => await run(context, { action: 'outbox-drop', id }))
  )
}

/** Adds `trust token …`: tokens that say whose this node is, and tokens that this node gives to clients of its registry. */
function addTokenCommands(trust: Command): void {
  const token = trust.command('token').description('tokens that say whose this node is, and those for clients of its registry')
  token
    .command('bind <file>')
    .description('show a token of an OIDC issuer or of SPIFFE in the own log; - is standard input')
    .option('--data <dir>')
    .option('--json')
    .option('--quiet')
    .action(action(async (context, file: string) => await (await import('./commands/trust-token.ts')).trustToken(context, file)))
  const addToken = (name: 'create' | 'list' | 'revoke', spec: string, text: string): Command =>
    token
      .command(`${name}${spec}`)
      .description(text)
      .option('--data <dir>')
      .option('--json')
      .option('--quiet')
      .action(
        action(async (context, ...all: readonly unknown[]) => {
          const { pull, push, expires } = all.at(-1) as {
            readonly pull?: readonly string[]
            readonly push?: readonly string[]
            readonly expires?: string
          }
          const { trustAccessToken } = await import('./commands/trust-access-token.ts')
          return await trustAccessToken(context, {
            action: name,
            ...(all.length > 1 && { name: all[0] as string }),
            ...(pull && { pull }),
            ...(push && { push }),
            ...(expires !== undefined && { expires })
          })
        })
      )
  addToken('create', ' <name>', 'make a token for clients of the registry on other machines and print it, once')
    .option('--pull <pattern>', 'repositories it may pull from, such as team/** (repeatable; all without options)', many)
    .option('--push <pattern>', 'repositories it may push to, too (repeatable)', many)
    .option('--expires <duration>', 'how long it is good, such as 30d')
  addToken('list', '', 'list the tokens, without their secrets')
  addToken('revoke', ' <token>', 'take a token back, by its ID or name; it ends at once')
}

/** Adds `trust key …`. */
function addKeyCommands(trust: Command): void {
  const key = trust.command('key').description('the keys of this node')
  const addKey = (name: 'show' | 'rotate' | 'revoke' | 'export' | 'import' | 'witness', spec: string, text: string): Command =>
    key
      .command(`${name}${spec}`)
      .description(text)
      .option('--data <dir>')
      .option('--json')
      .option('--quiet')
      .action(
        action(async (context, ...all: readonly unknown[]) => {
          const { trustKey } = await import('./commands/trust-key.ts')
          return await trustKey(context, name, all.length > 1 ? (all[0] as string) : undefined, all.at(-1) as object)
        })
      )
  const withUnlock = (command: Command): Command =>
    command
      .option('--passphrase-file <file>', 'passphrase of the key file; - is standard input')
      .option('--identity-file <file>', 'age identity that opens the key file')
  const withNext = (command: Command): Command =>
    withUnlock(command)
      .option('--next-file <file>', 'next key as `export --output` wrote it')
      .option('--next-words <file>', 'file with its 24 words; - is standard input')
  addKey('show', '', 'log, key and next key')
  withNext(addKey('rotate', '', 'close the log and go on in a new one under the next key; the node must be down'))
  withNext(addKey('revoke', ' <size>', 'close the log at a size: what it has beyond is void; the node must be down'))
  withNext(addKey('import', '', 'take the next key in'))
  addKey('export', '', 'write the next key to a file for age, or as 24 words')
    .option('-o, --output <file>', 'file to write')
    .option('--passphrase-file <file>', 'file with the passphrase; - is standard input')
    .option('--recipient <age1…>', 'age recipient that may open it')
    .option('--words', 'print 24 words instead')
    .option('--drop', 'then take it out of the data folder')
  addKey('witness', '', 'make the key with which this node witnesses other logs')
}

// what is imported from here on is compiled once: `rejoin id` from a checkout takes half the time
enableCompileCache(compiledFolder())
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
})
try {
  await program().parseAsync()
} catch (error) {
  exitCode =
    error instanceof CommanderError ? (error.exitCode === 0 ? 0 : 2) : await failed(error, process.argv.includes('--json'))
}
process.exitCode = exitCode

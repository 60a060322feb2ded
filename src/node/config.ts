import { join } from 'node:path'
import { type Document, LineCounter, parseDocument } from 'yaml'
import { RejoinError, textOf, utf8 } from '../core/index.ts'
import { readFileRangeSync, replaceFileSync } from '../store/index.ts'
import {
  checkRegistry,
  checkRetention,
  checkTls,
  type RegistryConfig,
  registryDefaults,
  type RetentionConfig,
  retentionDefaults,
  type TlsConfig,
  tlsDefaults
} from './config-parts.ts'
import { type ForgeSetting, parseForges } from './forge-setting.ts'

/** A node's settings that aren't trust. */
export interface Config {
  readonly name: string
  /** multiaddrs to listen on */
  readonly listen: readonly string[]
  /** where HTTP is served, HOST:PORT; not at all where it is empty */
  readonly http: string
  /** multiaddrs to keep connected to */
  readonly peers: readonly string[]
  readonly mdns: boolean
  /** seconds between two syncs with a connected peer, besides the one on connect */
  readonly syncEverySeconds: number
  /** a blob over this is not fetched by itself, only with get; in bytes */
  readonly fetchMaxBytes: number
  /** how the registry is served */
  readonly registry: RegistryConfig
  /** the certificate of the HTTP port */
  readonly tls: TlsConfig
  /** what gc keeps */
  readonly retention: RetentionConfig
  /** cosign the heads of other logs, with the key in keys/witness */
  readonly witness: boolean
  /** registries that are followed */
  readonly forges: readonly ForgeSetting[]
}

const fileName = 'config.yaml'
const maxFileBytes = 256 * 1024
const defaults: Config = {
  name: 'node',
  listen: ['/ip4/0.0.0.0/tcp/0'],
  http: '',
  peers: [],
  mdns: true,
  syncEverySeconds: 60,
  fetchMaxBytes: 20 * 1024 ** 3,
  registry: registryDefaults,
  tls: tlsDefaults,
  retention: retentionDefaults,
  witness: false,
  forges: []
}

const parts: Readonly<Record<string, (values: Readonly<Record<string, unknown>>, fail: (message: string) => never) => unknown>> =
  {
    registry: checkRegistry,
    tls: checkTls,
    retention: checkRetention
  }

function fail(message: string): never {
  throw new RejoinError('E_CONFIG', `${fileName}: ${message}`)
}

function nearest(word: string): string {
  const known = Object.keys(defaults)
  const best = known.find((key) => key.toLowerCase().startsWith(word.slice(0, 3).toLowerCase()))
  return best === undefined ? `known settings are ${known.join(', ')}` : `did you mean ${best}?`
}

function check(values: Readonly<Record<string, unknown>>): Partial<Config> {
  const checked: Record<string, unknown> = { ...values }
  for (const [key, value] of Object.entries(values)) {
    if (!(key in defaults)) fail(`unknown setting ${JSON.stringify(key)}; ${nearest(key)}`)
    if (key === 'forges') {
      const forges = parseForges(value)
      if (typeof forges === 'string') fail(forges)
      continue
    }
    const like = defaults[key as keyof Config]
    const ok = Array.isArray(like)
      ? Array.isArray(value) && value.every((item) => typeof item === 'string')
      : typeof value === typeof like && value !== null && !Array.isArray(value)
    if (!ok) fail(`${key} is not a ${Array.isArray(like) ? 'list of texts' : typeof like}`)
    if (typeof value === 'number' && !(value > 0)) fail(`${key} is not above 0`)
    const part = parts[key]
    if (part !== undefined) checked[key] = part(value as Readonly<Record<string, unknown>>, fail)
  }
  const { forges } = values
  return { ...checked, ...(forges !== undefined && { forges: parseForges(forges) }) } as Partial<Config>
}

/**
 * Reads the settings: flags over config.yaml over defaults. The result is frozen.
 * @throws E_CONFIG naming the setting
 */
export function loadConfig(root: string, flags: Partial<Config> = {}): Config {
  const document = readDocument(root)
  if (document === undefined) return Object.freeze({ ...defaults, ...flags })
  return Object.freeze({ ...defaults, ...check((document.toJS() ?? {}) as Record<string, unknown>), ...flags })
}

function readDocument(root: string): Document | undefined {
  const bytes = readFileRangeSync(join(root, fileName), 0, maxFileBytes + 1)
  if (bytes === undefined) return undefined
  if (bytes.length > maxFileBytes) fail(`the file is over ${maxFileBytes} bytes`)
  const lines = new LineCounter()
  const document = parseDocument(textOf(bytes), { lineCounter: lines, prettyErrors: false })
  const [error] = document.errors
  if (error !== undefined) fail(`${error.message} at line ${lines.linePos(error.pos[0]).line}`)
  return document as Document
}

/** Writes other forges into config.yaml; a person's comments stay. @throws E_CONFIG E_NO_SPACE E_IO */
export function saveForges(root: string, forges: readonly ForgeSetting[]): void {
  const document = readDocument(root) ?? parseDocument('{}\n')
  const node = document.createNode(forges.map((forge) => ({ ...forge })))
  if (forges.length === 0) document.delete('forges')
  else document.set('forges', node)
  const text = document.toString()
  check((parseDocument(text).toJS() ?? {}) as Record<string, unknown>)
  replaceFileSync(join(root, fileName), utf8(text), { durable: true })
}

/** Writes the settings of a new node, with a comment for each. */
export function createConfig(root: string, name: string): void {
  const text = `# Settings of this node; rules about other writers are in trust.yaml.
name: ${JSON.stringify(name)}
# listen: ["/ip4/0.0.0.0/tcp/4001"]
# http: "127.0.0.1:8080"
# tls: { cert: "/etc/ssl/node.pem", key: "/etc/ssl/node.key" }
# registry: { loopback: push, requestsPerSecond: 200, uploadExpiry: 24h }
# retention: { pins: ["team/app:1.*"], rules: [{ repositories: "**", keepTags: 20, keepFor: 90d, maxBytes: 100GiB }] }
# peers: ["/ip4/192.0.2.1/tcp/4001/p2p/12D3KooW…"]
# mdns: true
# syncEverySeconds: 60
`
  replaceFileSync(join(root, fileName), utf8(text), { durable: true })
}

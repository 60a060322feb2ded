import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { isObject, type JsonObject, parseStrict, RejoinError } from '../core/index.ts'

/** What a registry is shown. */
export interface Credentials {
  readonly username: string
  readonly password: string
  /** an identity token, to be exchanged for others (OAuth 2) */
  readonly identityToken?: string
}

/** Where Docker keeps credentials. */
export interface CredentialOptions {
  /** the folder of config.json; DOCKER_CONFIG or ~/.docker where it is left out */
  readonly folder?: string
  readonly signal: AbortSignal
}

const maxConfigBytes = 1024 * 1024
const maxAnswerBytes = 64 * 1024
const helperMs = 15_000
const helperShape = /^[A-Za-z0-9._-]{1,64}$/
/** Docker Hub is kept under an address of its own */
const hubHosts: readonly string[] = ['docker.io', 'index.docker.io', 'registry-1.docker.io']
const hubKey = 'https://index.docker.io/v1/'

/** Returns where Docker's config.json is: DOCKER_CONFIG, else ~/.docker. */
export function dockerFolder(environment: Readonly<Record<string, string | undefined>>): string {
  return environment['DOCKER_CONFIG'] ?? join(homedir(), '.docker')
}

/**
 * Returns what Docker's config.json, or the credential helper that it names, has for a registry; undefined where it has nothing.
 * @throws E_CONFIG where the file or the helper's answer is malformed · E_TIMEOUT where a helper does not answer
 */
export async function credentialsFor(host: string, { folder, signal }: CredentialOptions): Promise<Credentials | undefined> {
  const path = join(folder ?? dockerFolder(process.env), 'config.json')
  const config = await readConfig(path)
  if (config === undefined) return undefined
  const keys = hubHosts.includes(host) ? [hubKey, ...hubHosts] : [host, `https://${host}`, `https://${host}/`, `http://${host}`]
  const helpers = config['credHelpers']
  for (const key of keys) {
    const helper = isObject(helpers) ? helpers[key] : undefined
    if (typeof helper === 'string') return await askHelper(helper, key, signal)
  }
  const auths = config['auths']
  for (const key of keys) {
    const entry = isObject(auths) ? auths[key] : undefined
    if (isObject(entry)) {
      const found = ofEntry(entry, path)
      if (found !== undefined) return found
    }
  }
  const store = config['credsStore']
  if (typeof store !== 'string' || store === '') return undefined
  return await askHelper(store, keys[0] as string, signal)
}

async function readConfig(path: string): Promise<JsonObject | undefined> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new RejoinError('E_CONFIG', `cannot read ${path}`, { cause })
  }
  try {
    const config = parseStrict(bytes, { maxBytes: maxConfigBytes, maxDepth: 16 })
    if (isObject(config)) return config
  } catch (cause) {
    throw new RejoinError('E_CONFIG', `${path} is not the JSON that Docker writes`, { cause })
  }
  throw new RejoinError('E_CONFIG', `${path} is not the JSON that Docker writes`)
}

/** Reads one entry of `auths`: user and password in base64, or apart, or an identity token. */
function ofEntry({ auth, username, password, identitytoken }: JsonObject, path: string): Credentials | undefined {
  const token = typeof identitytoken === 'string' && identitytoken !== '' ? { identityToken: identitytoken } : {}
  if (typeof auth === 'string' && auth !== '') {
    const text = Buffer.from(auth, 'base64').toString('utf8')
    const colon = text.indexOf(':')
    if (colon < 1) throw new RejoinError('E_CONFIG', `${path} has credentials that are not USER:PASSWORD in base64`)
    return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, ''), ...token }
  }
  if (typeof username === 'string' && typeof password === 'string') return { username, password, ...token }
  return 'identityToken' in token ? { username: '', password: '', ...token } : undefined
}

/** Asks `docker-credential-NAME get`, as Docker does: the address on standard input, JSON on standard output. */
async function askHelper(name: string, key: string, signal: AbortSignal): Promise<Credentials | undefined> {
  if (!helperShape.test(name)) throw new RejoinError('E_CONFIG', `not the name of a credential helper: ${JSON.stringify(name)}`)
  const program = `docker-credential-${name}`
  const child = spawn(program, ['get'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    signal: AbortSignal.any([signal, AbortSignal.timeout(helperMs)])
  })
  const chunks: Buffer[] = []
  let length = 0
  child.stdout.on('data', (bytes: Buffer) => {
    length += bytes.length
    if (length <= maxAnswerBytes) chunks.push(bytes)
  })
  // a helper that needs no input may be gone before it is written
  child.stdin.on('error', () => {})
  child.stdin.end(`${key}\n`)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', (cause: NodeJS.ErrnoException) => {
      signal.throwIfAborted()
      if (cause.name === 'AbortError') reject(new RejoinError('E_TIMEOUT', `${program} did not answer`, { cause }))
      else reject(new RejoinError('E_CONFIG', `${program}, which Docker's config.json names, can't be run`, { cause }))
    })
    child.once('close', resolve)
  })
  // it ends with 1 where it has nothing
  if (code !== 0) return undefined
  const answer = length > maxAnswerBytes ? undefined : parseAnswer(Buffer.concat(chunks))
  const [username, secret] = [answer?.['Username'], answer?.['Secret']]
  if (typeof username !== 'string' || typeof secret !== 'string')
    throw new RejoinError('E_CONFIG', `${program} gave something else than a user name and a secret`)
  if (username === '<token>') return { username: '', password: '', identityToken: secret }
  return { username, password: secret }
}

function parseAnswer(bytes: Uint8Array): JsonObject | undefined {
  try {
    const answer = parseStrict(bytes, { maxBytes: maxAnswerBytes, maxDepth: 4 })
    return isObject(answer) ? answer : undefined
  } catch {
    return undefined
  }
}

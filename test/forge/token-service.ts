import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createPrivateKey } from 'node:crypto'
import { SignJWT } from 'jose'
import { tool } from '../registry/tools.ts'

/** A token service as Docker's specification has it, which a docker-registry trusts. */
export class TokenService implements AsyncDisposable {
  /** the auth section of docker-registry's configuration */
  readonly auth: string
  /** what was asked: GET or POST, as whom, for which scope */
  readonly asked: string[] = []
  private readonly server: Server

  private constructor(server: Server, auth: string) {
    this.server = server
    this.auth = auth
  }

  /** Opens one that knows `ann` by a password and by an identity token. @param folder for its key */
  static async open(folder: string, known: { readonly password: string; readonly identity: string }): Promise<TokenService> {
    const [key, cert] = [join(folder, 'service.key'), join(folder, 'service.crt')]
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
    await tool('openssl', 'req', '-x509', ...curve, '-nodes', '-days', '2', '-subj', '/CN=tokens', '-keyout', key, '-out', cert)
    const signer = createPrivateKey(readFileSync(key))
    const x5c = [readFileSync(cert, 'utf8').replaceAll(/-----[^-]+-----|\s/g, '')]
    let service: TokenService | undefined
    const server = createServer((request, response) => {
      void (async () => {
        const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>)).toString()
        const values = request.method === 'POST' ? new URLSearchParams(body) : new URL(request.url ?? '', 'http://x').searchParams
        const [user = '', password] = Buffer.from((request.headers.authorization ?? '').slice(6), 'base64')
          .toString()
          .split(':')
        const scopes = values.getAll('scope')
        service?.asked.push(`${request.method} ${user} ${scopes.join(' ')}`)
        const isKnown = request.method === 'POST' ? values.get('refresh_token') === known.identity : password === known.password
        if (!isKnown) {
          response.writeHead(request.method === 'POST' ? 400 : 401).end('{"error":"invalid_grant"}')
          return
        }
        const access = scopes.map((scope) => {
          const [type, name, actions = ''] = scope.split(':')
          return { type, name, actions: actions.split(',') }
        })
        const token = await new SignJWT({ access })
          .setProtectedHeader({ alg: 'ES256', typ: 'JWT', x5c })
          .setIssuer('tokens')
          .setSubject('ann')
          .setAudience('registry')
          .setIssuedAt()
          .setNotBefore('-1m')
          .setExpirationTime('5m')
          .sign(signer)
        const name = request.method === 'POST' ? 'access_token' : 'token'
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ [name]: token, expires_in: 300 }))
      })()
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const realm = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`
    service = new TokenService(
      server,
      `{token: {realm: "${realm}", service: registry, issuer: tokens, rootcertbundle: "${cert}"}}`
    )
    return service
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections()
    this.server.close()
    await once(this.server, 'close')
  }
}

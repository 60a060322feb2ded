import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { serveWith } from '../replica/static-servers.ts'
import { Lab, recordsOf } from './process.ts'

it('WEB-1 WEB-6: over https, with a certificate that is trusted; http may lead there, and https nowhere else', async () => {
  await using lab = new Lab()
  const { did } = await lab.init('alice')
  await lab.init('bob')
  await lab.ask('bob', 'trust', 'add', 'alice', String(did))
  const [key, cert] = [lab.path('key.pem'), lab.path('cert.pem')]
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-keyout',
      key,
      '-out',
      cert,
      '-days',
      '2',
      '-subj',
      '/CN=localhost',
      '-addext',
      'subjectAltName=DNS:localhost,IP:127.0.0.1'
    ],
    { stdio: 'ignore' }
  )
  let plain = ''
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, ({ url = '' }, response) => {
    if (url.startsWith('/down/')) {
      response.writeHead(302, { location: `${plain}x` }).end()
      return
    }
    try {
      response.end(readFileSync(join(lab.path('alice'), url)))
    } catch {
      response.writeHead(404).end()
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const secure = `https://127.0.0.1:${(server.address() as { readonly port: number }).port}/`
  await using http = await serveWith(
    ({ url = '' }, response) => void response.writeHead(301, { location: secure.slice(0, -1) + url }).end()
  )
  plain = http.url
  const more = { NODE_EXTRA_CA_CERTS: cert }
  const sync = async (url: string, trusting = true) =>
    await lab.run(['sync', url, '--data', lab.path('bob'), '--json'], trusting ? { more } : {})
  try {
    const stranger = await sync(secure, false)
    expect([stranger.code, stranger.stderr]).toEqual([14, expect.stringContaining('NODE_EXTRA_CA_CERTS')])
    const led = await sync(plain)
    expect(led.stderr).toBe('')
    expect(recordsOf(led.stdout).at(-1)).toMatchObject({ complete: true, events: 1 })
    const down = await sync(`${secure}down/`)
    expect(down.stderr).toContain('(E_REFUSED)')
    expect(down.code).toBe(12)
    expect(recordsOf((await sync(secure)).stdout).at(-1)).toMatchObject({ complete: true, events: 0 })
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { isLocalName, parseHttpAddress } from '../../src/http/address.ts'
import { openHttp } from '../../src/http/index.ts'
import { made, opened } from '../node/nodes.ts'
import { thrownBy } from '../thrown.ts'

describe('the address of the HTTP port', () => {
  it.each([
    ['127.0.0.1:8080', { host: '127.0.0.1', port: 8080 }],
    ['[::1]:0', { host: '::1', port: 0 }],
    ['localhost:65535', { host: 'localhost', port: 65535 }],
    ['8080', { host: '127.0.0.1', port: 8080 }],
    [':8080', { host: '127.0.0.1', port: 8080 }]
  ])('%s', (text, address) => expect(parseHttpAddress(text)).toEqual(address))

  it.each(['', 'x', 'localhost', 'localhost:', 'localhost:65536', '::1:80', 'http://a:80', 'a b:80', '[::1]', '127.0.0.1'])(
    'refuses %j',
    (text) => expect(thrownBy(() => parseHttpAddress(text))).toBe('E_USAGE')
  )

  it.each([
    ['127.0.0.1:8080', true],
    ['localhost', true],
    ['[::1]:80', true],
    ['192.0.2.7:80', true],
    [undefined, true],
    ['evil.example:8080', false],
    ['localhost.evil.example', false],
    ['127.0.0.1.evil.example', false]
  ])('a request to %s is one of this machine: %s', (host, is) => expect(isLocalName(host)).toBe(is))
})

/** Sends bytes to a server and returns all that it answers. */
async function raw(url: string, request: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => {})
  socket.write(request)
  return await text(socket)
}

describe('the HTTP port', () => {
  it('HTTP-1: has the port that it says, answers errors with their code, and takes GET and HEAD only', async () => {
    const node = await opened(await made('http'))
    await using http = await openHttp(node, '127.0.0.1:0')
    expect(node.http).toBe(http.url)
    const missing = await fetch(`${http.url}/no/such/thing`)
    expect(missing.status).toBe(404)
    expect(await missing.json()).toMatchObject({ error: { code: 'E_NOT_FOUND' } })
    expect(missing.headers.get('x-content-type-options')).toBe('nosniff')
    expect(missing.headers.get('content-security-policy')).toContain("default-src 'none'")
    const put = await fetch(`${http.url}/no/such/thing`, { method: 'PUT', body: 'x' })
    expect([put.status, put.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
    expect((await fetch(`${http.url}/%zz`)).status).toBe(400)
  })

  it('HTTP-2: on loopback it does not answer to the name of a page that points here', async () => {
    const node = await opened(await made('http'))
    await using http = await openHttp(node, '127.0.0.1:0')
    const answer = await raw(http.url, 'GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n')
    expect(answer).toMatch(/^HTTP\/1\.1 421 /)
    expect(answer).toContain('E_REFUSED')
  })

  it('HTTP-3: headers over 16 KiB are refused', async () => {
    const node = await opened(await made('http'))
    await using http = await openHttp(node, '127.0.0.1:0')
    const answer = await raw(http.url, `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(17_000)}\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 431 /)
  })

  it('says what is wrong with an address that it cannot have, and closes with an open connection', async () => {
    const node = await opened(await made('http'))
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as { readonly port: number }
    await expect(openHttp(node, `127.0.0.1:${port}`)).rejects.toMatchObject({ code: 'E_EXISTS' })
    taken.close()
    await expect(openHttp(node, '192.0.2.1:0')).rejects.toMatchObject({ code: 'E_IO' })
    const http = await openHttp(node, '127.0.0.1:0')
    const idle = connect(Number(new URL(http.url).port), '127.0.0.1')
    await once(idle, 'connect')
    const closed = once(idle, 'close')
    idle.resume()
    await http[Symbol.asyncDispose]()
    await closed
    expect(node.http).toBeUndefined()
  })
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A web server of a test, on loopback. */
export interface WebServer extends AsyncDisposable {
  readonly url: string
}

/** Serves with our own code: for servers that no other program is. */
export async function serveWith(
  answer: (request: IncomingMessage, response: ServerResponse) => void
): Promise<WebServer & { readonly requests: () => readonly string[] }> {
  const seen: string[] = []
  const server: Server = createServer((request, response) => {
    seen.push(`${request.method ?? ''} ${request.url ?? ''}`)
    answer(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { readonly port: number }
  return {
    url: `http://127.0.0.1:${port}/`,
    requests: () => seen.splice(0),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}

/** Serves a folder with Python's http.server: no ranges, no ETag, HTTP/1.0. */
export async function servePython(folder: string): Promise<WebServer> {
  const child = spawn('python3', ['-u', '-m', 'http.server', '0', '--bind', '127.0.0.1', '--directory', folder])
  child.stderr.resume()
  const lines = createInterface({ input: child.stdout })
  const [said] = (await once(lines, 'line')) as [string]
  const port = /port (\d+)/.exec(said)?.[1]
  if (port === undefined) throw new Error(`python3 said ${said}`)
  return {
    url: `http://127.0.0.1:${port}/`,
    async [Symbol.asyncDispose]() {
      const closed = once(child, 'close')
      child.kill()
      await closed
    }
  }
}

/** Serves a folder with nginx, below a path: ranges, ETag, HTTP/1.1. */
export async function serveNginx(folder: string): Promise<WebServer> {
  const home = mkdtempSync(join(tmpdir(), 'rejoin-nginx-'))
  for (const name of ['body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']) mkdirSync(join(home, name))
  chmodSync(home, 0o755)
  for (let attempt = 0; ; attempt++) {
    const port = 20_000 + Math.floor(Math.random() * 10_000)
    writeFileSync(
      join(home, 'nginx.conf'),
      `daemon off; master_process off; pid ${home}/pid; error_log stderr notice; events {}
${process.getuid?.() === 0 ? 'user root;' : ''}
http { access_log off; client_body_temp_path ${home}/body; proxy_temp_path ${home}/proxy;
  fastcgi_temp_path ${home}/fastcgi; uwsgi_temp_path ${home}/uwsgi; scgi_temp_path ${home}/scgi;
  server { listen 127.0.0.1:${port}; location /mirror/ { alias ${folder}/; } } }`
    )
    const child = spawn('nginx', ['-p', home, '-c', join(home, 'nginx.conf')], {
      env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` }
    })
    let said = ''
    const ready = await new Promise<boolean>((resolve, reject) => {
      child.stderr.on('data', (bytes: Buffer) => {
        said += bytes.toString()
        if (said.includes('start worker process') || said.includes('using the')) resolve(true)
      })
      child.once('error', reject)
      child.once('close', () => resolve(false))
    })
    if (!ready) {
      if (attempt > 5) throw new Error(`nginx does not start: ${said}`)
      continue
    }
    return {
      url: `http://127.0.0.1:${port}/mirror/`,
      async [Symbol.asyncDispose]() {
        const closed = once(child, 'close')
        child.kill()
        await closed
        rmSync(home, { recursive: true, force: true })
      }
    }
  }
}

/** What a server answers for a path in the place of the file. */
export type Instead = (path: string, response: ServerResponse, request: IncomingMessage) => boolean

/** Serves a folder with our own code, except for what a test answers itself. */
export async function serveFolder(root: string, instead: Instead = () => false): ReturnType<typeof serveWith> {
  return await serveWith((request, response) => {
    const path = (request.url ?? '').slice(1)
    if (instead(path, response, request)) return
    let bytes: Buffer
    try {
      bytes = readFileSync(join(root, path))
    } catch {
      response.writeHead(404).end('no such file')
      return
    }
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    if (from === 0) response.writeHead(200, { 'content-length': bytes.length }).end(bytes)
    else if (from >= bytes.length) response.writeHead(416).end()
    else
      response
        .writeHead(206, {
          'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}`,
          'content-length': bytes.length - from
        })
        .end(bytes.subarray(from))
  })
}

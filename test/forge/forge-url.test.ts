import { describe, expect, it } from 'vitest'
import { codeOf } from '../../src/core/index.ts'
import { parseForgeUrl } from '../../src/forge/forge-url.ts'

const codeFor = (text: string): string | undefined => {
  try {
    parseForgeUrl(text)
  } catch (error) {
    return codeOf(error)
  }
  return undefined
}

describe('the address of a forge', () => {
  it('FORGE-1 docker:// is plain HTTP on the loopback and HTTPS elsewhere', () => {
    expect(parseForgeUrl('docker://localhost:5000/apps/web:v1')).toEqual({
      origin: 'http://localhost:5000',
      host: 'localhost:5000',
      repository: 'apps/web',
      tag: 'v1',
      digest: undefined
    })
    expect(parseForgeUrl('docker://127.8.9.1/a').origin).toBe('http://127.8.9.1')
    expect(parseForgeUrl('docker://[::1]:80/a').origin).toBe('http://[::1]:80')
    expect(parseForgeUrl('docker://Registry.Example/a').origin).toBe('https://registry.example')
    expect(parseForgeUrl('http://registry.example/').origin).toBe('http://registry.example')
    expect(parseForgeUrl(`https://r.example/a@sha256:${'0'.repeat(64)}`).digest).toBe(`sha256:${'0'.repeat(64)}`)
  })

  it.each([
    '',
    'registry.example/a',
    'ftp://r.example',
    'https://',
    'https://user:secret@r.example',
    'https://r.example:0',
    'https://r.example:70000',
    'docker://r.example/UPPER',
    'docker://r.example/a:no tag',
    'docker://r.example/a@sha256:12',
    'docker://r.example/../etc',
    `https://${'a'.repeat(2000)}`
  ])('FORGE-1 is refused where it is none: %s', (text) => {
    expect(codeFor(text)).toBe('E_USAGE')
  })
})

import { describe, expect, it } from 'vitest'
import { purlFault } from '../../src/artifact/index.ts'

describe('ARTIFACT-3: package URLs', () => {
  it.each([
    'pkg:npm/%40angular/animation@12.3.1',
    'pkg:npm/@angular/animation',
    'pkg:golang/google.golang.org/genproto@abcdedf#googleapis/api/annotations',
    'pkg:deb/debian/curl@7.50.3-1?arch=i386&distro=jessie',
    'pkg:docker/customer/dockerimage@sha256%3A244fd47e07d1004f0aed9c?repository_url=gcr.io',
    'pkg:generic/openssl@1.1.10g?download_url=https://openssl.org/source/openssl-1.1.0g.tar.gz',
    'pkg://maven/org.apache.commons/io@1.3.4',
    'PKG:cargo/rand@0.7.2'
  ])('%s is one', (text) => expect(purlFault(text)).toBeUndefined())

  it.each([
    '',
    '/',
    'pkg:',
    'pkg:///',
    'pkg:pypi',
    'pkg:pypi/',
    'pkg:apk/alpine/@1',
    'npm/a@1',
    'pkg:7z/a',
    'pkg:npm/%4',
    `pkg:npm/${'a'.repeat(5000)}`
  ])('%s is none', (text) => expect(purlFault(text)).toMatch(/^it /))
})

import { describe, expect, it } from 'vitest'
import { didOf, identityAt, type Place, type TrustFile, type TrustKey } from '../../../src/core/index.ts'
import { sampleLog, sampleSigner } from '../sample.ts'

const { publicKey } = sampleSigner('alice')
const author = didOf(publicKey)
const { log } = sampleLog(1, 'alice')
const other = sampleLog(1, 'alice, another log').log
const place = (more: Partial<Place> = {}): Place => ({ log, index: 5, author, ...more })

function standing(key: Partial<TrustKey>, where: Place, atMs: number): string {
  const file: Pick<TrustFile, 'keys' | 'identities'> = {
    keys: new Map([['k', { name: 'k', did: author, publicKey, ...key }]]),
    identities: new Map([['alice', { name: 'alice', keys: ['k'], roles: ['builder'] }]])
  }
  return identityAt(file, where, atMs).standing
}

describe('the writer of an event', () => {
  it('is the identity that has its key, with its roles', () => {
    const file: Pick<TrustFile, 'keys' | 'identities'> = {
      keys: new Map([
        ['k', { name: 'k', did: author, publicKey }],
        ['spare', { name: 'spare', did: didOf(sampleSigner('spare').publicKey), publicKey: sampleSigner('spare').publicKey }]
      ]),
      identities: new Map([['alice', { name: 'alice', keys: ['k'], roles: ['builder'] }]])
    }
    expect(identityAt(file, place(), 0)).toEqual({ name: 'alice', roles: ['builder'], did: author, standing: 'good' })
    const stranger = didOf(sampleSigner('bob').publicKey)
    const unknown = { name: '', roles: [], standing: 'unknown' }
    expect(identityAt(file, place({ author: stranger }), 0)).toEqual({ ...unknown, did: stranger })
    const spare = didOf(sampleSigner('spare').publicKey)
    expect(identityAt(file, place({ author: spare }), 0)).toEqual({ ...unknown, did: spare })
  })

  it('TRUST-17 is believed from its first moment until just before its last', () => {
    const span = { fromMs: 10, untilMs: 20 }
    expect([9, 10, 19, 20].map((ms) => standing(span, place(), ms))).toEqual(['not-yet', 'good', 'good', 'expired'])
  })

  it('TRUST-16 is believed below the revoked size of the named log and nowhere else, whatever the time', () => {
    const revokedFrom = [{ log, size: 6 }]
    expect(standing({ revokedFrom }, place(), 0)).toBe('good')
    expect(standing({ revokedFrom }, place({ index: 6 }), 0)).toBe('revoked')
    expect(standing({ revokedFrom }, place({ log: other, index: 0 }), 0)).toBe('revoked')
    expect(standing({ revokedFrom: [...revokedFrom, { log: other, size: 1 }] }, place({ log: other, index: 0 }), 0)).toBe('good')
    expect(standing({ revokedFrom, untilMs: 1 }, place({ index: 6 }), 9)).toBe('revoked')
    expect(standing({ revokedFrom, untilMs: 1 }, place(), 9)).toBe('expired')
  })
})

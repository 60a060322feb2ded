import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PeerBook } from '../../src/node/peer-book.ts'

const peerId = '12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq'
const home = `/ip4/192.0.2.1/tcp/4001/p2p/${peerId}`
const elsewhere = `/ip4/192.0.2.1/tcp/4002/p2p/${peerId}`
const ephemeral = '/ip4/192.0.2.1/tcp/53211'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rejoin-peers-'))
})
afterEach(() => rmSync(root, { recursive: true }))

/** Returns what the file says of peers, without when they were seen. */
function onDisk(): readonly unknown[] {
  return new PeerBook(root).peers().map((peer) => ({ ...peer, lastSeen: undefined }))
}

describe('the peer book', () => {
  it('keeps the dialled address of a peer that comes in from another port', () => {
    const book = new PeerBook(root)
    book.met({ peerId, address: home, direction: 'outbound' })
    book.met({ peerId, address: ephemeral, direction: 'inbound' })
    book.close()
    expect(onDisk()).toEqual([{ peerId, address: home }])
    book.met({ peerId, address: elsewhere, direction: 'outbound' })
    book.close()
    expect(onDisk()).toEqual([{ peerId, address: elsewhere }])
  })

  it('knows a peer that only ever came in, without the port that it came from', () => {
    const book = new PeerBook(root)
    book.met({ peerId, address: ephemeral, direction: 'inbound' })
    expect(onDisk()).toEqual([{ peerId }])
    expect(readFileSync(join(root, 'peers'), 'utf8')).not.toContain('53211')
  })

  it('keeps beside the dialled address where the peer says that it is, and forgets neither', () => {
    const book = new PeerBook(root)
    book.met({ peerId, address: home, direction: 'outbound' })
    book.met({ peerId, address: ephemeral, direction: 'inbound', told: elsewhere })
    book.close()
    expect(onDisk()).toEqual([{ peerId, address: home, told: elsewhere }])
    const again = new PeerBook(root)
    again.met({ peerId, address: ephemeral, direction: 'inbound' })
    expect(onDisk()).toEqual([{ peerId, address: home, told: elsewhere }])
  })

  it('reads past a line that is damaged', () => {
    writeFileSync(join(root, 'peers'), `{"peerId":"${peerId}","address":"${home}","lastSeen":"x"}\n{"peerId":"12D3\n`)
    expect(new PeerBook(root).peers()).toEqual([{ peerId, address: home, lastSeen: 'x' }])
  })
})

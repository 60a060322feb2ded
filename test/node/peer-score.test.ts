import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  defaultPeerLimits,
  defaultReputation,
  type Digest,
  type ErrorCode,
  type PeerDeed,
  type PeerLimits,
  utf8
} from '../../src/core/index.ts'
import { PeerBook } from '../../src/node/peer-book.ts'
import { PeerScores } from '../../src/node/peer-score.ts'

const eve = '12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq'
const bob = '12D3KooWBtwxf4eeWhWqQ4cyX5Ui6VUb3QgWQ9MBUN6HkYQbKf9p'
const hour = 3_600_000

let root = ''
let unixMs = 0
let steadyMs = 0
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rejoin-score-'))
  unixMs = 1_795_000_000_000
  steadyMs = 0
})
afterEach(() => rmSync(root, { recursive: true }))

interface Opened {
  readonly book: PeerBook
  readonly scores: PeerScores
  readonly denied: string[]
}

/** Opens the scores that are in the folder, as a node does that starts. */
function open(limits: Partial<PeerLimits> = {}): Opened {
  const book = new PeerBook(root)
  const scores = new PeerScores(book, { ...defaultPeerLimits, ...limits }, { unixMs: () => unixMs, steadyMs: () => steadyMs })
  const denied: string[] = []
  scores.onDenied((peerId) => denied.push(peerId))
  return { book, scores, denied }
}

let messageCount = 0
const message = (): Uint8Array => utf8(`message ${messageCount++}`)

describe('the scores of peers', () => {
  it('PEERS-3 PEERS-2 cut a peer off once when it falls below the line, and let it back in when decay has lifted it', () => {
    const { scores, denied } = open()
    scores.announced(eve, { verdict: 'reject', code: 'E_SIGNATURE' })
    scores.announced(eve, { verdict: 'reject', code: 'E_SIGNATURE' })
    expect(denied).toEqual([eve])
    expect([scores.isDenied(eve), scores.isDenied(bob)]).toEqual([true, false])
    expect(scores.view(eve)).toEqual({ score: -200, standing: 'graylisted', until: new Date(unixMs + 30 * hour).toISOString() })
    expect(scores.admit(eve, message())).toBe('ignore')
    expect(scores.mayOpen(eve)).toBe(false)
    unixMs += 30 * hour - 1
    expect(scores.isDenied(eve)).toBe(true)
    unixMs += 1
    expect(scores.isDenied(eve)).toBe(false)
    expect(scores.view(eve)).toEqual({ score: -50, standing: 'good' })
    expect(scores.admit(eve, message())).toBe('take')
  })

  it('PEERS-3 outlive the process, even one that is killed', () => {
    open().scores.note(eve, 'badProof')
    unixMs += hour
    expect(open().scores.view(eve)).toMatchObject({ score: -95, standing: 'graylisted' })
  })

  it.each<[ErrorCode, PeerDeed | undefined]>([
    ['E_SIGNATURE', 'badSignature'],
    ['E_ROOT', 'badProof'],
    ['E_TILE', 'badProof'],
    ['E_PROOF', 'badProof'],
    ['E_LINE', 'malformed'],
    ['E_PROTOCOL', 'malformed'],
    ['E_FRAME', 'malformed'],
    ['E_TOO_LARGE', 'malformed'],
    ['E_GONE', undefined],
    ['E_TIMEOUT', undefined],
    ['E_IO', undefined],
    ['E_NO_SPACE', undefined],
    ['E_VERSION', undefined],
    ['E_NETWORK', undefined],
    ['E_FORK', undefined],
    ['E_TERMINATED', undefined]
  ])('PEERS-8 PEERS-1 count %s of a stream as %s', (code, deed) => {
    const { scores } = open()
    scores.fault(eve, code)
    expect(scores.pointsOf(eve)).toBe(deed === undefined ? 0 : defaultReputation[deed])
  })

  it('PEERS-4 count nothing for what is unknown here, stale, a gap or a fork', () => {
    const { scores } = open()
    for (const action of ['none', 'pull', 'conflict'] as const)
      scores.announced(eve, { verdict: 'ignore', action, log: 'x' as never })
    scores.announced(eve, { verdict: 'accept', log: 'x' as never })
    expect(scores.pointsOf(eve)).toBe(0)
  })

  it('PEERS-1 count wrong bytes once for each blob', () => {
    const { scores } = open()
    for (const name of ['a', 'a', 'b', 'a']) scores.badBlob(eve, `sha256:${name}` as Digest)
    scores.badBlob(bob, 'sha256:a' as Digest)
    expect([scores.pointsOf(eve), scores.pointsOf(bob)]).toEqual([-50, -25])
  })

  it('PEERS-6 take what is within the rate, leave the rest for later, and count one flood a second', () => {
    const { scores } = open({ perPeer: { eventsPerSecond: 10, bytesPerSecond: 1e6, burst: 2 } })
    const flood = () => Array.from({ length: 100 }, () => scores.admit(eve, message())).filter((one) => one === 'take').length
    expect(flood()).toBe(20)
    expect(scores.pointsOf(eve)).toBe(-1)
    expect(scores.admit(bob, message())).toBe('take')
    steadyMs += 500
    expect(flood()).toBe(5)
    expect(scores.pointsOf(eve)).toBe(-1)
    steadyMs += 1000
    expect(flood()).toBe(10)
    expect(scores.pointsOf(eve)).toBe(-2)
  })

  it('PEERS-6 hold all peers together to a rate, and blame nobody for it', () => {
    const { scores } = open({ total: { eventsPerSecond: 3, bytesPerSecond: 1e6, burst: 1 } })
    expect([eve, bob, eve, bob].map((one) => scores.admit(one, message()))).toEqual(['take', 'take', 'take', 'later'])
    expect([scores.pointsOf(eve), scores.pointsOf(bob)]).toEqual([0, 0])
  })

  it('PEERS-6 hold a peer to a rate of streams', () => {
    const { scores } = open({ streams: { eventsPerSecond: 1, bytesPerSecond: 1, burst: 2 } })
    expect([1, 2, 3].map(() => scores.mayOpen(eve))).toEqual([true, true, false])
    expect([scores.pointsOf(eve), scores.mayOpen(bob)]).toEqual([-1, true])
    steadyMs += 1000
    expect(scores.mayOpen(eve)).toBe(true)
  })

  it('PEERS-9 ignore what the same peer sent before, and not what another one sends too', () => {
    const { scores } = open()
    const one = message()
    expect([eve, eve, bob].map((peerId) => scores.admit(peerId, one))).toEqual(['take', 'ignore', 'take'])
    expect([scores.pointsOf(eve), scores.pointsOf(bob)]).toEqual([-1, 0])
  })

  it('PEERS-5 give way to a person, at once and after a restart, until it is taken back', () => {
    const first = open()
    first.scores.rule(bob, 'block', 'stolen laptop')
    expect(first.denied).toEqual([bob])
    expect(first.scores.view(bob)).toEqual({ score: 0, standing: 'blocked', because: 'stolen laptop' })
    first.scores.note(bob, 'useful')
    const { scores, denied } = open()
    expect(scores.view(bob)).toMatchObject({ standing: 'blocked', because: 'stolen laptop' })
    scores.rule(bob, 'allow')
    for (let n = 0; n < 3; n++) scores.note(bob, 'badSignature')
    expect(scores.view(bob)).toEqual({ score: -200, standing: 'allowed' })
    expect([denied, scores.isDenied(bob)]).toEqual([[], false])
    scores.rule(bob, undefined)
    expect(open().scores.view(bob)).toEqual({ score: 0, standing: 'good' })
  })

  it('PEERS-2 of a clock that was a year ahead decay from now on', () => {
    unixMs += 365 * 24 * hour
    open().scores.note(eve, 'badSignature')
    unixMs -= 365 * 24 * hour
    const { scores } = open()
    expect(scores.pointsOf(eve)).toBe(-100)
    unixMs += 10 * hour
    expect(scores.pointsOf(eve)).toBe(-50)
  })

  it('of 10,000 peers and more forget those that say least, and no ruling', () => {
    const { scores, book } = open()
    scores.note(eve, 'badSignature')
    scores.rule(bob, 'block')
    for (let n = 0; n < 10_010; n++) scores.note(`peer ${n}`, 'useful')
    expect(book.marks()).toHaveLength(10_000)
    expect([scores.isDenied(eve), scores.isDenied(bob)]).toEqual([true, true])
  })
})

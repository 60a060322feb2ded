import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { RejoinError } from '../../src/core/index.ts'
import { Spaced } from '../../src/store/index.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('writes the first change at once, more of them together later, and what waits with flush', () => {
  let written = 0
  const file = new Spaced('/tmp/any', () => void written++, 1000)
  for (let i = 0; i < 5; i++) file.changed()
  expect(written).toBe(1)
  vi.advanceTimersByTime(999)
  expect(written).toBe(1)
  vi.advanceTimersByTime(1)
  expect(written).toBe(2)
  file.changed()
  expect(written).toBe(2)
  file.flush()
  file.flush()
  vi.advanceTimersByTime(5000)
  expect(written).toBe(3)
})

it('does nothing late where the folder is gone, and survives a full disk', () => {
  let written = 0
  const gone = new Spaced('/tmp/rejoin-not-there/any', () => void written++, 1000)
  gone.changed()
  gone.changed()
  vi.advanceTimersByTime(1000)
  expect(written).toBe(1)
  const full = new Spaced('/tmp/any', () => {
    if (written++ > 0) throw new RejoinError('E_NO_SPACE', 'full')
  })
  written = 0
  full.changed()
  full.changed()
  vi.advanceTimersByTime(1000)
  expect(written).toBe(2)
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Site } from '../site.ts'
import { Registry } from './client.ts'
import { suite } from './suite.ts'

// REJOIN_CONFORMANCE=http://127.0.0.1:5000 runs the suite against another registry
const given = process.env['REJOIN_CONFORMANCE']
let site: Site | undefined
let registry: Registry

beforeAll(async () => {
  site = given === undefined ? await Site.open('conformance') : undefined
  registry = new Registry(given ?? (site as Site).url)
})
afterAll(async () => {
  expect(site?.notices ?? []).toEqual([])
  if (site !== undefined) expect(await site.faults()).toEqual([])
  await site?.[Symbol.asyncDispose]()
})

describe('REG-2: the OCI Distribution Specification, case by case', () => {
  it('has cases with different titles', () => {
    expect(suite.length).toBeGreaterThan(100)
    expect(new Set(suite.map(({ section, title }) => `${section}: ${title}`)).size).toBe(suite.length)
  })

  it.concurrent.each(suite.map((one) => [`${one.section}: ${one.title}`, one] as const))('%s', async (_, one) => {
    await one.run(registry)
  })
})

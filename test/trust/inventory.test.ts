import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Content, RejoinError } from '../../src/core/index.ts'
import { inventoryFault, openInventory } from '../../src/trust/index.ts'
import { sharedPath } from '../shared.ts'
import { thrownBy } from '../thrown.ts'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rejoin-inventory-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const pattern = './inventory/*.cdx.json'
function write(name: string, text: string | Uint8Array): void {
  mkdirSync(dirname(join(root, name)), { recursive: true })
  writeFileSync(join(root, name), text)
}
const bom = (...purls: readonly string[]): string =>
  JSON.stringify({
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    components: purls.map((purl) => ({ type: 'library', name: 'a', purl }))
  })
const contentWith = (...purls: readonly string[]): Content => ({
  components: purls.map((purl) => ({ name: 'a', version: '', purl, licenses: [] })),
  vulnerabilities: [],
  licenses: [],
  layerTypes: [],
  signers: []
})

describe('CONTENT-14: the inventory', () => {
  it('tells which components this site runs too, without qualifiers and in one spelling', () => {
    write('inventory/a.cdx.json', bom('pkg:npm/@x/a@1.0.0?arch=arm64#src', 'pkg:pypi/Typing_Extensions@4', 'no purl'))
    write('inventory/b.cdx.json', bom('pkg:npm/b@2'))
    write('inventory/c.json', bom('pkg:npm/not-in-the-pattern@1'))
    write('inventory/.d.cdx.json', bom('pkg:npm/hidden@1'))
    const inventory = openInventory(root, pattern)
    expect(inventory.purlCount()).toBe(3)
    const content = contentWith(
      'pkg:npm/b@2?x=y',
      'pkg:npm/%40x/a@1.0.0',
      'pkg:npm/b@2',
      'pkg:npm/b@3',
      'pkg:npm/hidden@1',
      'pkg:npm/not-in-the-pattern@1',
      'no purl'
    )
    expect(inventory.overlapOf(content)).toEqual(['pkg:npm/%40x/a@1.0.0', 'pkg:npm/b@2'])
    expect(inventory.overlapOf(contentWith())).toEqual([])
    expect(inventory.badFiles()).toEqual([])
  })

  it('reads again what changed, and nothing else', () => {
    write('inventory/a.cdx.json', bom('pkg:npm/a@1'))
    write('inventory/b.cdx.json', bom('pkg:npm/b@1'))
    const inventory = openInventory(root, pattern)
    const overlap = (): readonly string[] =>
      inventory.overlapOf(contentWith('pkg:npm/a@1', 'pkg:npm/a@2', 'pkg:npm/b@1', 'pkg:npm/c@1'))
    expect(inventory.refresh()).toBe(false)
    expect(overlap()).toEqual(['pkg:npm/a@1', 'pkg:npm/b@1'])
    // of the same size: the time alone tells
    write('inventory/a.cdx.json', bom('pkg:npm/a@2'))
    utimesSync(join(root, 'inventory/a.cdx.json'), 1, 1)
    expect(inventory.refresh()).toBe(true)
    expect(overlap()).toEqual(['pkg:npm/a@2', 'pkg:npm/b@1'])
    write('inventory/c.cdx.json', bom('pkg:npm/c@1'))
    rmSync(join(root, 'inventory/b.cdx.json'))
    expect(inventory.refresh()).toBe(true)
    expect(overlap()).toEqual(['pkg:npm/a@2', 'pkg:npm/c@1'])
    rmSync(join(root, 'inventory'), { recursive: true })
    expect(inventory.refresh()).toBe(true)
    expect(inventory.purlCount()).toBe(0)
    expect(inventory.refresh()).toBe(false)
  })

  it('names bad files and goes on with the others', () => {
    write('inventory/a.cdx.json', bom('pkg:npm/a@1'))
    write('inventory/bad.cdx.json', '{')
    write('inventory/text.cdx.json', 'no SBOM')
    mkdirSync(join(root, 'inventory/folder.cdx.json'))
    const inventory = openInventory(root, pattern)
    expect(inventory.purlCount()).toBe(1)
    expect(inventory.badFiles().map(({ file, error }) => [file, error.code])).toEqual([
      ['inventory/bad.cdx.json', 'E_JSON'],
      ['inventory/text.cdx.json', 'E_UNKNOWN_TYPE']
    ])
    for (const { error } of inventory.badFiles()) expect(error).toBeInstanceOf(RejoinError)
    write('inventory/bad.cdx.json', bom('pkg:npm/b@1'))
    expect(inventory.refresh()).toBe(true)
    expect(inventory.purlCount()).toBe(2)
    expect(inventory.badFiles().length).toBe(1)
  })

  it('may be a whole folder of SBOMs of all kinds, and one that is not there yet', () => {
    const inventory = openInventory(root, 'sboms')
    expect(inventory.purlCount()).toBe(0)
    for (const name of [
      'cyclonedx/SBOM__laravel-7.12.0__bom.1.4.xml',
      'cyclonedx/SBOM__keycloak-10.0.2__bom.json',
      'spdx/top-dh-sboms__vault.json',
      'spdx/pkg__formats__testdata__pause.spdx'
    ])
      write(`sboms/${name.replace('/', '-')}`, readFileSync(sharedPath(`corpus/${name}`)))
    expect(inventory.refresh()).toBe(true)
    expect(inventory.badFiles()).toEqual([])
    expect(inventory.purlCount()).toBeGreaterThan(1200)
    expect(inventory.overlapOf(contentWith('pkg:composer/laravel/framework@v7.30.6')).length).toBe(1)
  })

  it.each([
    ['*a', 'ba', true],
    ['a*', 'ab', true],
    ['a*b*c', 'axbxc', true],
    ['a*b*c', 'ac', false],
    ['a*a', 'a', false],
    ['*a*a*', 'xaya', true],
    ['**', 'any', true],
    ['*.json', 'json', false]
  ])('%s takes %s: %s', (name, file, taken) => {
    write(`inventory/${file}`, bom('pkg:npm/a@1'))
    expect(openInventory(root, `inventory/${name}`).purlCount()).toBe(taken ? 1 : 0)
  })

  it.each([
    '',
    '.',
    '/etc',
    '../x',
    'inventory/../../x/*.json',
    'C:/x',
    'a\\b',
    'a\0b',
    '*/a.json',
    '**/*.json',
    'a'.repeat(2000)
  ])('is never outside the data folder, and has its stars at the end: %s', (source) => {
    expect(thrownBy(() => openInventory(root, source))).toBe('E_TRUST_FILE')
    expect(inventoryFault(source)).toMatch(/^inventory\.source /)
  })

  it('takes the source of the example', () => expect(inventoryFault(pattern)).toBeUndefined())
})

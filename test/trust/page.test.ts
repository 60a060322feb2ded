import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../src/core/index.ts'
import { compileRules, parseTrustFile } from '../../src/trust/index.ts'

interface Schema {
  readonly $ref?: string
  readonly title?: string
  readonly description?: string
  readonly type?: string | readonly string[]
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: boolean | Schema
  readonly items?: Schema
  readonly $defs?: Readonly<Record<string, Schema>>
}

const protocols = join(import.meta.dirname, '../../protocols')
const page = readFileSync(join(protocols, 'trust.md'), 'utf8')
const schema = JSON.parse(readFileSync(join(protocols, 'schemas/trust/trust.schema.json'), 'utf8')) as Schema
const rows = [...page.matchAll(/^\| `([^`]+)` \| (.+) \| (.+) \| (.+) \|$/gm)].map(
  ([, member = '', type = '', , effect = '']) => ({
    member,
    type,
    effect
  })
)

function resolved({ $ref, ...rest }: Schema): Schema {
  const name = $ref?.split('/')[2]
  return name === undefined ? rest : { ...resolved(schema.$defs?.[name] ?? {}), ...rest }
}

/** Returns each member that holds a value, with names that a person chooses as `*`. */
function members(one: Schema, path: string): readonly string[] {
  const { properties, additionalProperties, items } = resolved(one)
  const below = Object.entries(properties ?? {}).flatMap(([name, inner]) =>
    members(inner, path === '' ? name : `${path}.${name}`)
  )
  if (typeof additionalProperties === 'object') below.push(...members(additionalProperties, `${path}.*`))
  if (properties === undefined && items !== undefined && resolved(items).properties !== undefined)
    below.push(...members(items, `${path}[]`))
  return below.length === 0 ? [path] : below
}

/** Returns every schema of an object below one, with where it stands. */
function objects(one: Schema, at: string): readonly (readonly [string, Schema])[] {
  const inner = [one.items, one.additionalProperties, ...Object.values(one.properties ?? {}), ...Object.values(one.$defs ?? {})]
  const below = inner.flatMap((next, i) => (typeof next === 'object' ? objects(next, `${at}/${i}`) : []))
  return one.properties === undefined ? below : [[`${at} ${one.title}`, one], ...below]
}

describe('protocols/trust.md', () => {
  it('TRUST-12 has a row for each member of the schema, and no other', () => {
    const known = members(schema, '')
    expect(known.length).toBeGreaterThan(50)
    const documented = new Set<string>()
    for (const { member, type } of rows) {
      const path = member.replace(/\.(?:NAME|IDENTITY)\b/, '.*')
      const inner = [...type.matchAll(/`([A-Za-z]+)`/g)]
        .map(([, name = '']) => `${path}.${name}`)
        .filter((name) => known.includes(name))
      for (const one of inner.length > 0 ? inner : [path]) documented.add(one)
    }
    const claims = 'issuers.*.claims'
    const wanted = known.map((one) => (one.startsWith(claims) ? claims : one))
    expect([...documented].toSorted()).toEqual([...new Set([...wanted, 'keys.*.revokedFrom'])].toSorted())
  })

  it('TRUST-1 the schema lets no other member in, and says of each what it is', () => {
    const all = objects(schema, '')
    expect(all.length).toBeGreaterThan(20)
    for (const [at, one] of all) {
      expect(one.additionalProperties, at).toBe(false)
      expect(one.title, at).toBeTypeOf('string')
      for (const [name, inner] of Object.entries(one.properties ?? {}))
        expect(resolved(inner).description ?? resolved(inner).title, `${at} ${name}`).toBeTypeOf('string')
    }
    const { Ajv2020 } = createRequire(import.meta.url)('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js')
    expect(new Ajv2020({ allowUnionTypes: true }).validateSchema(schema as object)).toBe(true)
  })

  it('TRUST-12 its example is good', () => {
    const [, example = ''] = /```yaml\n([^]*?)```/.exec(page) ?? []
    const file = parseTrustFile(utf8(example), (rules) => compileRules(rules).problems)
    expect([...file.identities.keys()]).toEqual(['release-ci'])
  })

  it('names what has no effect yet', () => {
    const idle = rows.filter(({ effect }) => effect.startsWith('*no effect yet*')).map(({ member }) => member.split(/[.[]/)[0])
    expect([...new Set(idle)]).toEqual(['budget', 'receipts'])
  })
})

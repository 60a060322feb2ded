/** A forge that a node follows, as config.yaml has it. */
export interface ForgeSetting {
  /** https://host[:port], or http://… */
  readonly url: string
  /** what is pulled: REPOSITORIES[:TAGS] */
  readonly pull: readonly string[]
  /** what is pushed back */
  readonly push: readonly string[]
  readonly intervalSeconds: number
  /** who wins where a tag moved on both sides: nobody, until a person settles it, or always one side */
  readonly onConflict: 'show' | 'forge' | 'site'
}

const members: readonly string[] = ['url', 'pull', 'push', 'intervalSeconds', 'onConflict']
const winners: readonly unknown[] = ['show', 'forge', 'site']

/** How often a forge is looked at where nothing else is said, in seconds. */
export const defaultForgeSeconds = 300

/** Returns the forges that `forges` of config.yaml lists, or what is wrong with it. */
export function parseForges(value: unknown): readonly ForgeSetting[] | string {
  if (!Array.isArray(value)) return 'forges is not a list'
  const found: ForgeSetting[] = []
  for (const [i, one] of (value as readonly unknown[]).entries()) {
    if (typeof one !== 'object' || one === null || Array.isArray(one)) return `forges[${i}] is not a mapping`
    const {
      url,
      pull = [],
      push = [],
      intervalSeconds = defaultForgeSeconds,
      onConflict = 'show'
    } = one as Partial<Record<string, unknown>>
    const unknown = Object.keys(one).find((name) => !members.includes(name))
    if (unknown !== undefined)
      return `forges[${i}] has an unknown member ${JSON.stringify(unknown)}; known are ${members.join(', ')}`
    if (typeof url !== 'string' || !/^https?:\/\/[^/]+$/.test(url)) return `forges[${i}].url is not https://HOST[:PORT]`
    if (!isTexts(pull) || !isTexts(push)) return `forges[${i}].pull and push are not lists of texts`
    if (typeof intervalSeconds !== 'number' || !(intervalSeconds >= 1))
      return `forges[${i}].intervalSeconds is not a number from 1 on`
    if (!winners.includes(onConflict)) return `forges[${i}].onConflict is not one of ${winners.join(', ')}`
    if (found.some((other) => other.url === url)) return `forges[${i}].url is there twice`
    found.push({ url, pull, push, intervalSeconds, onConflict: onConflict as ForgeSetting['onConflict'] })
  }
  return found
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

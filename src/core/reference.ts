/** The longest repository name. */
export const maxRepositoryLength = 255

const part = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*'
const partShape = new RegExp(`^${part}$`)
const repositoryShape = new RegExp(`^${part}(?:/${part})*$`)
const tagShape = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/

/** Returns whether a text is a repository name: lower-case words joined by `.`, `_`, `__`, dashes and `/`. @see OCI distribution-spec, "Pulling manifests" */
export function isRepository(text: string): boolean {
  return text.length <= maxRepositoryLength && repositoryShape.test(text)
}

/** Returns whether a text is one part of a repository name. */
export function isRepositoryPart(text: string): boolean {
  return text.length <= maxRepositoryLength && partShape.test(text)
}

/** Returns whether a text is a tag: 1 to 128 letters, digits and `. _ -`, not beginning with `.` or `-`. */
export function isTag(text: string): boolean {
  return tagShape.test(text)
}

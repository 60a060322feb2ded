const shape = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/

/** Returns whether a text is a media type without parameters, as OCI descriptors have it. @see RFC 6838, section 4.2 */
export function isMediaType(text: string): boolean {
  return shape.test(text)
}

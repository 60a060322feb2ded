import { canonicalize, hex, type JsonObject, sha256, utf8 } from '../core/index.ts'

/**
 * Returns the bytes of a small JSON file with a check sum over its other members, so that a changed byte is noticed where nothing else
 * would tell, e.g. `{"network":"lab","version":1,"check":"<64 hex digits>"}`.
 */
export function sealed(value: JsonObject): Uint8Array {
  return utf8(`${JSON.stringify({ ...value, check: checkSum(value) })}\n`)
}

/** Returns whether the check sum of a value is that of its other members. */
export function isSealed(value: JsonObject): boolean {
  const { check, ...rest } = value
  return check === checkSum(rest)
}

function checkSum(value: JsonObject): string {
  return hex(sha256(utf8(canonicalize(value))))
}

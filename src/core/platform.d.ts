// All that `core` may take from the platform: functions whose result depends on their arguments alone.
// See docs/decisions/0002-core-may-hash-and-verify.md.
declare class TextEncoder {
  encode(text: string): Uint8Array
}
declare class TextDecoder {
  constructor(label: 'utf-8', options: { readonly fatal: true; readonly ignoreBOM: true })
  decode(bytes: Uint8Array): string
}
declare function btoa(latin1: string): string
declare function atob(base64: string): string
declare module 'node:crypto' {
  export interface KeyObject {
    export(options: { format: 'jwk' }): { readonly x?: string }
  }
  export function hash(algorithm: 'sha256' | 'sha512', data: Uint8Array, encoding: 'buffer'): Uint8Array
  export function createPublicKey(
    key: string | { readonly format: 'jwk'; readonly key: Readonly<Record<string, string>> }
  ): KeyObject
  export function createPrivateKey(pem: string): KeyObject
  export function sign(algorithm: null, data: Uint8Array, key: KeyObject): Uint8Array
  interface KeyWithOptions {
    readonly key: KeyObject
    readonly dsaEncoding?: 'ieee-p1363'
    readonly padding?: number
    readonly saltLength?: number
  }
  export function verify(
    algorithm: string | null,
    data: Uint8Array,
    key: KeyObject | KeyWithOptions,
    signature: Uint8Array
  ): boolean
}

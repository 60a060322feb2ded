export type { ByteStream } from './byte-stream.ts'
export * from './drive.ts'
export * from './pipe.ts'
export * from './wire.ts'

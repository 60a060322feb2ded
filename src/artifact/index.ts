export { recognise, type RecogniseOptions } from './recognise.ts'
export {
  type EventType,
  maxDocumentBytes,
  type Recognised,
  type TypeName,
  typeNames,
  type Warning,
  type WarningCode
} from './recognised.ts'
export { purlFault } from './purl.ts'
export { isMediaType } from './media-type.ts'
export type { OciDescriptor } from './descriptor.ts'
export * from './manifest.ts'
export * from './manifest-read.ts'

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
export { isElsewhere, type OciDescriptor } from './descriptor.ts'
export * from './manifest.ts'
export * from './manifest-read.ts'
export { type DocumentContent, readContent } from './content.ts'
export { maxContentItems } from './content-draft.ts'
export type { Envelope } from './envelope.ts'
export * from './cnab-bundle.ts'
export * from './cnab-index.ts'
export * from './cnab-thick.ts'
export { fullImageName } from './image-name.ts'
export * from './cnab-claim.ts'

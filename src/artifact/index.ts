export * from './manifest.ts'
export * from './recognise.ts'

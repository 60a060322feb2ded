export * from './gate.ts'
export * from './trust-file.ts'

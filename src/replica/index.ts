export * from './local.ts'
export * from './replica.ts'
export * from './withhold.ts'

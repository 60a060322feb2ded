export { registry, type RegistryOptions } from './registry.ts'

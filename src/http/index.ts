export type { HttpServer } from './server.ts'
export { openHttp } from './server.ts'

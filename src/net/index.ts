export * from './host.ts'
export { type Gossip, type GossipVerdict } from './gossip.ts'
export * from './names.ts'

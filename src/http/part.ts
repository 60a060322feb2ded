import type { FastifyPluginAsync } from 'fastify'
import type { Live, Node } from '../node/index.ts'

/** Part of what the HTTP port serves of a node. */
export type HttpPart = (node: Node, live: Live | undefined) => FastifyPluginAsync

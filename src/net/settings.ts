const KiB = 1024
const MiB = 1024 * KiB

/**
 * Where libp2p's defaults are changed, and only there; docs/decisions/0003-libp2p-settings.md says why, with measurements.
 * @see docs/decisions/0003-libp2p-settings.md
 */
export const connectionSettings = {
  maxConnections: 300,
  // default 5 a second and host: of 20 dials at once 15 failed. Behind one NAT everyone is one host
  inboundConnectionThreshold: 200,
  // default 10 handshakes at a time: the rest of a rejoin storm would be refused
  maxIncomingPendingConnections: 200
}

/** A ping waits behind a window of data: at 100 kB/s that is 40 s, and the default of 5 s would cut the transfer off. */
export const pingSettings = { pingInterval: 20_000, pingTimeout: { minTimeout: 60_000, maxTimeout: 120_000 } }

/** Bytes that one stream may have under way; more than its read buffer holds (4 MiB) would reset it. */
export const maxStreamWindowBytes: number = 4 * MiB

interface MuxerSettings {
  readonly maxInboundStreams: number
  readonly maxOutboundStreams: number
  readonly maxEarlyStreams: number
  readonly streamOptions: { readonly maxStreamWindowSize: number; readonly maxReadBufferLength: number }
}

/** Stream multiplexing: enough streams for many blobs at once, and windows that the read buffer can hold. */
export const muxerSettings: MuxerSettings = {
  maxInboundStreams: 512,
  maxOutboundStreams: 512,
  maxEarlyStreams: 64,
  streamOptions: { maxStreamWindowSize: maxStreamWindowBytes, maxReadBufferLength: maxStreamWindowBytes }
}

/**
 * What one range of public addresses (IPv4 /24, IPv6 /64) may take of the 300 connections: 64 peers, so that five ranges are needed to surround
 * a node; and twice as many connections, since those of a line that dropped stay until their ping fails.
 */
export const rangeLimits = { maxPeers: 64, maxConnections: 128, countPrivate: false } as const

/** Streams of one protocol on one connection; the default is 32 inbound and 64 outbound. */
export const maxStreamsPerProtocol = 64

/**
 * What may go over a connection through a relay, which limits time and bytes: announcements of heads and nothing else, so that a blob never
 * eats up what lets two nodes know of each other. libp2p refuses such streams by default too; said, so that an update doesn't change it.
 */
export const overRelay = { gossip: true, streams: false } as const

/** The largest gossip message, in bytes. */
export const maxGossipBytes: number = 64 * KiB

/**
 * The largest gossip frame taken in, in bytes. One frame carries all messages that were asked for at once, and one that is too large ends gossip
 * with that peer for good: with 128 KiB, a burst of 300 messages of 1 kB left 12 of 24 nodes deaf.
 */
export const maxGossipRpcBytes: number = 4 * MiB

/** Bytes of gossip that may wait for a slow peer (default: unlimited); more breaks gossip with it, which the watch repairs. */
export const maxGossipBacklogBytes: number = 8 * MiB

/** Peers outside the mesh that are told, once a second, of the messages there were: all that can be connected. */
export const maxGossipLazyPeers: number = connectionSettings.maxConnections

/** Milliseconds that one try to connect may take, with its handshake. */
export const dialTimeoutMs = 15_000

/** Milliseconds until an opened stream has agreed on its protocol. */
export const openTimeoutMs = 15_000

/** Milliseconds that a stream waits for a peer that takes nothing of what was sent. */
export const stalledSendMs = 60_000

/** Milliseconds that the network has to stop; then its connections are cut off. */
export const stopTimeoutMs = 8000

/** Milliseconds that a stream may stay half open after its acceptor has returned. */
export const lingerMs = 30_000

import { artifactTypeOf } from '../artifact/index.ts'
import { encodeEvent, forgeAuthor, type JsonObject, type RejoinEvent, type Verdict } from '../core/index.ts'
import { afterOthers, appendOwn, draftOf, eventOfDraft, rootChange } from '../node/index.ts'
import type { Draft } from '../store/index.ts'
import { type Closure, type ClosureContext, fetchClosure } from './fetch-closure.ts'
import type { FetchedManifest } from './registry-client.ts'

/** What this node made of an artifact at a forge. */
export interface TakenArtifact {
  readonly verdict: Verdict
  readonly rule: string
  /** whether it is, or would be, what the tag stands for here */
  readonly isTagged: boolean
}

const maxLayerBytes = 64 * 1024 * 1024

/** How an artifact is taken. */
export interface TakeOptions {
  /** under which it was seen */
  readonly tag: string | undefined
  /** asked last, when all of the artifact is here: whether the tag is to stand for it here */
  readonly maySet: () => Promise<boolean>
  /** a person decided that it is taken, which goes before the rules */
  readonly isLet: boolean
}

/**
 * Judges an artifact that a forge has, and takes it in where the rules relay it: its blobs, and an event that says what was seen where. What they
 * keep, hold or refuse is not taken: an event of this node's own log is passed on.
 */
export async function takeArtifact(
  context: ClosureContext,
  manifest: FetchedManifest,
  { tag, maySet, isLet }: TakeOptions
): Promise<TakenArtifact> {
  const { node, client, repository } = context
  const { digest, bytes, mediaType } = manifest
  const judge = (one: Draft): Omit<TakenArtifact, 'isTagged'> => {
    if (isLet) return { verdict: 'relay', rule: 'person' }
    const nowMs = Date.now()
    const author = forgeAuthor(client.origin)
    const own = eventOfDraft(node, one, nowMs)
    const event: RejoinEvent = { ...own, source: author }
    const line = {
      index: node.writer.folder.size,
      start: 0,
      end: encodeEvent(own).length,
      size: 1,
      withheld: false,
      hash: new Uint8Array(32)
    }
    const { decision } = node.gate.judgeOne(line, event, { log: node.log, author, nowMs })
    return { verdict: decision.verdict, rule: decision.rule }
  }
  const isTagged = async (): Promise<boolean> => tag !== undefined && (await maySet())
  const first = judge(draftFor(context, manifest, tag, undefined))
  if (first.verdict === 'refuse' || (first.verdict !== 'relay' && !node.known.isLooking))
    return { ...first, isTagged: await isTagged() }
  const closure = await fetchClosure(context, manifest)
  if (node.known.isLooking) {
    const layers: { readonly mediaType: string; readonly bytes: Uint8Array }[] = []
    for (const layer of closure.layers)
      if (layer.size <= maxLayerBytes && node.blobs.has(layer.digest))
        layers.push({ mediaType: layer.mediaType, bytes: await node.blobs.readBytes(layer.digest, maxLayerBytes) })
    node.known.learn(digest, bytes, layers)
  }
  const last = judge(draftFor(context, manifest, tag, closure))
  if (last.verdict !== 'relay') return { ...last, isTagged: await isTagged() }
  await node.blobs.share([...closure.blobs, ...closure.manifests.map((one) => one.digest).filter((one) => node.blobs.has(one))])
  if (!node.blobs.has(digest)) await node.blobs.put(bytes, { digest })
  const setTag = (await isTagged()) ? tag : undefined
  const named = { repository, ...(setTag !== undefined && { tag: setTag }) }
  await appendOwn(node, [await afterOthers(node, draftFor(context, manifest, setTag, closure))])
  node.blobs.index.change([rootChange({ mediaType, digest, size: bytes.length }, named)])
  return { ...last, isTagged: setTag !== undefined }
}

function draftFor(
  { client, repository }: ClosureContext,
  { digest, mediaType, bytes }: FetchedManifest,
  tag: string | undefined,
  closure: Closure | undefined
): Draft {
  const root = closure?.root
  const artifactType = root && artifactTypeOf(root)
  const more: JsonObject = { forge: client.origin, ...(root?.subject !== undefined && { refers: root.subject.digest }) }
  const options = { repository, ...(tag !== undefined && { tag }) }
  return draftOf('forge.seen', { mediaType, digest, size: bytes.length }, artifactType, options, closure?.large ?? [], more)
}

import { type Digest, digestParts, hasDigest } from '../core/index.ts'
import { bodyOf } from './body.ts'
import { pathTo, type RegistryContext } from './context.ts'
import { dropBody, type Exchange, lengthOf, readBody, send } from './exchange.ts'
import { fault } from './fault.ts'
import { contentRangeOf } from './range.ts'
import { mustBeDigest, mustBeName } from './route.ts'
import { isSpoiled, type Session } from './uploads.ts'

/** bodies up to this are taken in memory and made durable with their manifest */
const smallBytes = 1024 * 1024

function created(context: RegistryContext, exchange: Exchange, name: string, digest: Digest): void {
  context.contents.link(name, digest)
  send(exchange, 201, { location: pathTo(name, 'blobs', digest), 'docker-content-digest': digest })
}

function accepted(context: RegistryContext, exchange: Exchange, session: Session, status: 202 | 204): void {
  const { name, id } = session
  const last = Math.max(0, context.uploads.offset(session) - 1)
  send(exchange, status, { location: pathTo(name, 'blobs/uploads', id), range: `0-${last}`, 'docker-upload-uuid': id })
}

/** Begins an upload, takes a blob in one request, or mounts one from another repository. */
export async function beginUpload(context: RegistryContext, exchange: Exchange, name: string): Promise<void> {
  mustBeName(name, false)
  const { query } = exchange
  const mount = query.get('mount')
  if (mount !== null && (await tryMount(context, exchange, name, mount))) return
  const digest = query.get('digest')
  if (digest !== null && mount === null) {
    const wanted = mustBeDigest(digest, 400)
    const session = context.uploads.begin(name, digestParts(wanted).algorithm)
    await closeUpload(context, exchange, session, wanted)
    return
  }
  const algorithm = query.get('digest-algorithm') ?? 'sha256'
  if (algorithm !== 'sha256' && algorithm !== 'sha512')
    throw fault(400, 'DIGEST_INVALID', `the digest algorithm ${JSON.stringify(algorithm.slice(0, 40))} is not known here`)
  accepted(context, exchange, context.uploads.begin(name, algorithm), 202)
  dropBody(exchange)
}

async function tryMount(context: RegistryContext, exchange: Exchange, name: string, mount: string): Promise<boolean> {
  const digest = mustBeDigest(mount, 400)
  const from = exchange.query.get('from')
  const { contents, node } = context
  if (!node.blobs.has(digest) || (from === null ? !exchange.access.isAll : !exchange.access.may('pull', from))) return false
  const isThere =
    from === null
      ? node.blobs.placeOf(digest) === 'shared' || contents.isLinkedAnywhere(digest)
      : contents.isLinked(from, digest) || (await contents.find(from, digest)) !== undefined
  if (!isThere) return false
  node.blobs.touch(digest)
  created(context, exchange, name, digest)
  dropBody(exchange)
  return true
}

/** Returns an upload of a repository. @throws BLOB_UPLOAD_UNKNOWN */
export function needSession(context: RegistryContext, name: string, id: string): Session {
  const session = context.uploads.find(id, name)
  if (session === undefined)
    throw fault(404, 'BLOB_UPLOAD_UNKNOWN', `there is no upload ${id.slice(0, 40)} in ${name.slice(0, 80)}`)
  return session
}

/** Checks that a chunk goes on where the upload ends. @throws 416 where it does not · SIZE_INVALID where its length is another one */
function mustFollow(context: RegistryContext, exchange: Exchange, session: Session): void {
  const header = exchange.request.headers['content-range']
  if (header === undefined) return
  const offset = context.uploads.offset(session)
  const range = contentRangeOf(header)
  if (range === undefined || range.first !== offset)
    throw fault(416, 'BLOB_UPLOAD_INVALID', `the upload has ${offset} bytes, and ${header.slice(0, 60)} does not go on there`, {
      headers: { location: pathTo(session.name, 'blobs/uploads', session.id), range: `0-${Math.max(0, offset - 1)}` }
    })
  const said = lengthOf(exchange)
  if (said !== undefined && said !== range.last - range.first + 1)
    throw fault(400, 'SIZE_INVALID', `${said} bytes are no ${header.slice(0, 60)}`)
}

async function exclusively(
  context: RegistryContext,
  exchange: Exchange,
  session: Session,
  work: () => Promise<void>
): Promise<void> {
  await context.uploads.exclusively(session, () => exchange.request.destroy(), work)
}

/** Takes in a chunk. What came before a connection broke stays. */
export async function addChunk(context: RegistryContext, exchange: Exchange, session: Session): Promise<void> {
  await exclusively(context, exchange, session, async () => {
    mustFollow(context, exchange, session)
    const upload = await context.uploads.open(session, undefined)
    await upload.append(bodyOf(exchange))
    accepted(context, exchange, session, 202)
  })
}

/** Takes in the last chunk, if there is one, and makes a blob of the upload. @throws DIGEST_INVALID where it has another digest */
export async function closeUpload(context: RegistryContext, exchange: Exchange, session: Session, digest: Digest): Promise<void> {
  await exclusively(context, exchange, session, async () => {
    mustFollow(context, exchange, session)
    const { uploads, node } = context
    const length = lengthOf(exchange)
    const offset = uploads.offset(session)
    if (offset === 0 && length !== undefined && length <= smallBytes) {
      const bytes = await readBody(exchange, smallBytes, 'SIZE_INVALID')
      if (!hasDigest(bytes, digest)) {
        await uploads.cancel(session)
        throw fault(400, 'DIGEST_INVALID', `the ${bytes.length} bytes given for ${digest} have another digest`)
      }
      if (node.blobs.size(digest) === bytes.length) node.blobs.touch(digest)
      else context.freshUploads.put(bytes, digest)
      await uploads.cancel(session)
    } else {
      const upload = await uploads.open(session, length === undefined ? undefined : offset + length)
      await upload.append(bodyOf(exchange))
      try {
        await upload.finish(digest, { private: true })
      } catch (error) {
        if (isSpoiled(error)) uploads.done(session)
        throw error
      }
      uploads.done(session)
    }
    created(context, exchange, session.name, digest)
  })
}

/** Tells how much of an upload has come. */
export function showUpload(context: RegistryContext, exchange: Exchange, session: Session): void {
  accepted(context, exchange, session, 204)
}

/** Gives an upload up. */
export async function cancelUpload(context: RegistryContext, exchange: Exchange, session: Session): Promise<void> {
  await exclusively(context, exchange, session, async () => await context.uploads.cancel(session))
  send(exchange, 204, {})
}

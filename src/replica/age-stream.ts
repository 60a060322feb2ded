import { RejoinError } from '../core/index.ts'

function streamOf(pieces: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = pieces[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await iterator.next()
        if (done === true) controller.close()
        else controller.enqueue(value.slice())
      },
      async cancel() {
        await iterator.return?.()
      }
    },
    { highWaterMark: 0 }
  )
}

/** Checks that texts are age recipients. @throws E_KEY for the first that is none */
export async function checkRecipients(recipients: readonly string[]): Promise<void> {
  const { Encrypter } = await import('age-encryption')
  for (const recipient of recipients)
    try {
      new Encrypter().addRecipient(recipient)
    } catch (cause) {
      throw new RejoinError('E_KEY', `not an age recipient: ${JSON.stringify(recipient.slice(0, 80))}`, {
        hint: 'age-keygen prints one: age1…',
        cause
      })
    }
}

/** Yields bytes encrypted to recipients, as `age -d` reads them. @throws what the source throws */
export async function* encrypted(
  pieces: AsyncIterable<Uint8Array>,
  recipients: readonly string[]
): AsyncGenerator<Uint8Array, void, void> {
  const { Encrypter } = await import('age-encryption')
  const encrypter = new Encrypter()
  for (const recipient of recipients) encrypter.addRecipient(recipient)
  yield* (await encrypter.encrypt(streamOf(pieces))) as AsyncIterable<Uint8Array>
}

/** Yields what was encrypted. @throws E_KEY where no identity opens it · E_BAD_OBJECT where it is damaged · what the source throws */
export async function* decrypted(
  pieces: AsyncIterable<Uint8Array>,
  identities: readonly string[]
): AsyncGenerator<Uint8Array, void, void> {
  const { Decrypter } = await import('age-encryption')
  const decrypter = new Decrypter()
  for (const identity of identities) decrypter.addIdentity(identity)
  try {
    yield* (await decrypter.decrypt(streamOf(pieces))) as AsyncIterable<Uint8Array>
  } catch (cause) {
    if (cause instanceof RejoinError) throw cause
    const message = cause instanceof Error ? cause.message : String(cause)
    if (/no identity matched/i.test(message)) throw new RejoinError('E_KEY', 'none of the identities opens it', { cause })
    throw new RejoinError('E_BAD_OBJECT', `it can't be decrypted: ${message}`, { cause })
  }
}

const maxIdentities = 100

/** Returns the identities in the text of a file as age-keygen writes it. @throws E_KEY where it has none, or a line is none */
export async function parseIdentities(text: string, path: string): Promise<readonly string[]> {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  const { Decrypter } = await import('age-encryption')
  for (const [i, line] of lines.entries())
    try {
      new Decrypter().addIdentity(line)
    } catch (cause) {
      throw new RejoinError('E_KEY', `${path}: key ${i + 1} is no age identity`, {
        hint: 'age-keygen writes one: AGE-SECRET-KEY-1…',
        cause
      })
    }
  if (lines.length === 0 || lines.length > maxIdentities) throw new RejoinError('E_KEY', `${path} has no age identity`)
  return lines
}

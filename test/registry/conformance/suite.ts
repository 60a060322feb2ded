import type { Case } from './client.ts'
import { discovery } from './discovery.ts'
import { management } from './management.ts'
import { pull } from './pull.ts'
import { pushBlob } from './push-blob.ts'
import { pushChunked } from './push-chunked.ts'
import { pushManifest } from './push-manifest.ts'

/** Every case, in the order of the specification. A case makes its own repositories, so that any may run alone and side by side. */
export const suite: readonly Case[] = [...pull, ...pushBlob, ...pushChunked, ...pushManifest, ...discovery, ...management]

import { writeHeads } from '../../src/replica/folder-listing.ts'
import { FolderReplica, WebClient, WebFolder } from '../../src/replica/index.ts'
import { fileReplicaContract, patient } from './contract.ts'
import { serveFolder } from './static-servers.ts'

fileReplicaContract('a folder on the web', async ({ root }) => {
  {
    await using made = FolderReplica.open(root, 'lab')
    writeHeads(made)
  }
  const server = await serveFolder(root)
  const client = new WebClient(server.url, patient().signal)
  const folder = await WebFolder.open(client, { validator: {}, places: new Map() })
  if (folder === undefined) throw new Error('nothing is remembered of it')
  const close = folder[Symbol.asyncDispose].bind(folder)
  return Object.assign(folder, {
    async [Symbol.asyncDispose]() {
      await close()
      client[Symbol.dispose]()
      await server[Symbol.asyncDispose]()
    }
  })
})

import { Folder } from '../../src/replica/index.ts'
import { fileReplicaContract } from './contract.ts'

fileReplicaContract('a folder', async ({ root }) => await Promise.resolve(Folder.open(root)))

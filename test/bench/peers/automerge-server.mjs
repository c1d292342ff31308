/** automerge-repo's sync server as a process: `node automerge-server.mjs <port> <directory>`. */
import { createServer } from 'node:http'
import { Repo } from '@automerge/automerge-repo'
import { WebSocketServerAdapter } from '@automerge/automerge-repo-network-websocket'
import { NodeFSStorageAdapter } from '@automerge/automerge-repo-storage-nodefs'
import { WebSocketServer } from 'ws'

const [port, directory] = process.argv.slice(2)
const server = createServer()
const repo = new Repo({
  network: [new WebSocketServerAdapter(new WebSocketServer({ server }))],
  storage: new NodeFSStorageAdapter(directory),
  // Like the project's own server: devices ask for what they want.
  sharePolicy: async () => false,
})
server.listen(Number(port), '127.0.0.1', () => {
  process.stdout.write(`listening on ws://127.0.0.1:${server.address().port}\n`)
})
process.once('SIGTERM', () => void repo.flush().then(() => process.exit(0)))

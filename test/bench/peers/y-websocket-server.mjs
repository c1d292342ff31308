/** y-websocket's server as a process: `node y-websocket-server.mjs <port> [directory]`; a directory is for LevelDB. */
import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'

const [port, directory] = process.argv.slice(2)
if (directory !== undefined) process.env.YPERSISTENCE = directory
const { setupWSConnection } = await import('@y/websocket-server/utils')

const server = createServer()
const sockets = new WebSocketServer({ server })
sockets.on('connection', setupWSConnection)
server.listen(Number(port), '127.0.0.1', () => {
  process.stdout.write(`listening on ws://127.0.0.1:${server.address().port}\n`)
})
process.once('SIGTERM', () => process.exit(0))

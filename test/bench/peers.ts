import { existsSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Contender, ContenderDevice } from './contender.js'
import { startMeasured } from './server-process.js'

/** Where the peers are installed, from `test/bench/dist`. */
const PEERS = fileURLToPath(new URL('../peers/', import.meta.url))
/** The Node that runs the servers that are compared, ours too: some peers need a newer one than this. */
const PEERS_NODE = `${PEERS}node_modules/node/bin/node`

interface PeerModule {
  openDevice(url: string, name: string): Promise<ContenderDevice>
}

/** Whether the peers are installed. */
export const arePeersInstalled = existsSync(PEERS_NODE)

/** The Node to run servers with, so that all run on the same. */
export const contendersNode = arePeersInstalled ? PEERS_NODE : process.execPath

export const hocuspocus = createPeer('Hocuspocus, SQLite', 'hocuspocus', true)
export const hocuspocusInMemory = createPeer('Hocuspocus, in memory', 'hocuspocus', false)
export const yWebsocket = createPeer('y-websocket, LevelDB', 'y-websocket', true)
export const automergeRepo = createPeer('automerge-repo, files', 'automerge', true)

/** Those of the given peers that can run; says what to do where none can. */
export function installedPeers(peers: readonly Contender[]): readonly Contender[] {
  if (arePeersInstalled) return peers
  process.stderr.write(
    'the peers are not installed, so nothing is compared with them: npm ci --prefix test/bench/peers\n',
  )
  return []
}

function createPeer(name: string, file: string, isPersistent: boolean): Contender {
  return {
    name,
    path: '/',
    start({ directory, port = 0 }) {
      const args = [`${PEERS}${file}-server.mjs`, String(port), ...(isPersistent ? [directory] : [])]
      return startMeasured(args, contendersNode)
    },
    async open(url, chat) {
      // Yjs warns when it is loaded twice. The peers have a copy of their own here, and the two never meet.
      Reflect.deleteProperty(globalThis, '__ $YJS$ __')
      const module = (await import(pathToFileURL(`${PEERS}${file}.mjs`).href)) as PeerModule
      return module.openDevice(url, chat)
    },
  }
}

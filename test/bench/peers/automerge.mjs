import { Repo } from '@automerge/automerge-repo'
import { WebSocketClientAdapter } from '@automerge/automerge-repo-network-websocket'

/** The addresses of documents, which automerge-repo chooses, by server and the name that the benches give. */
const urls = new Map()

/** A device of automerge-repo without a storage of its own; resolves once it has the document. */
export async function openDevice(url, name) {
  let adapter = new WebSocketClientAdapter(url)
  const repo = new Repo({ network: [adapter] })
  await repo.networkSubsystem.whenReady()
  const place = `${url} ${name}`
  const handle = urls.has(place) ? await repo.find(urls.get(place)) : repo.create({ messages: [] })
  urls.set(place, handle.url)
  await handle.whenReady()
  return {
    append(text) {
      handle.change(({ messages }) => {
        messages.push({ id: `m${messages.length}`, role: 'user', content: text, createdAt: Date.now() })
      })
    },
    count: () => handle.doc().messages.length,
    onChange(listener) {
      handle.on('change', listener)
      return () => handle.off('change', listener)
    },
    disconnect() {
      repo.networkSubsystem.removeNetworkAdapter(adapter)
    },
    connect() {
      adapter = new WebSocketClientAdapter(url)
      repo.networkSubsystem.addNetworkAdapter(adapter)
    },
    async close() {
      repo.networkSubsystem.removeNetworkAdapter(adapter)
    },
  }
}

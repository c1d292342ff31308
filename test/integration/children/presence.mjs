// A device that is present in a document, to be killed: `URL SECRET-KEY ADDRESS NAME`. Prints a line with the
// names of those who are there, sorted, whenever that changes. Runs the build.

import { PlainKeySigner } from 'nostr-tools/signer'
import { createMemoryStore, createSyncClient } from '../../../client/dist/index.js'
import { createNodeTransport } from '../../../client/dist/node.js'

const [url, secretKey, address, name] = process.argv.slice(2)
const client = await createSyncClient({
  url,
  store: createMemoryStore(),
  signer: new PlainKeySigner(Uint8Array.from(Buffer.from(secretKey, 'hex'))),
  transport: createNodeTransport(),
})
const presence = client.presence(address)
presence.onChange((states) => {
  process.stdout.write(
    `${states
      .map(({ state }) => state.name)
      .sort()
      .join(' ')}\n`,
  )
})
client.connect()
presence.setLocal({ name })

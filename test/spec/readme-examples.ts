/** The README's code, type-checked. `docs.test.ts` compares the two: change them together. */
import { createServer, type RequestListener } from 'node:http'
import { createSyncClient } from '@onyx-sync/client'
import {
  createNodeSigner,
  createNodeTransport,
  createNodeVerifier,
  openNodeStore,
} from '@onyx-sync/client/node'
import { createSyncServer } from '@onyx-sync/server'

export async function embedClient(
  secretKey: Uint8Array,
  tokens: AsyncIterable<string>,
  show: (text: string) => void,
): Promise<void> {
  // example: client
  const client = await createSyncClient({
    store: await openNodeStore({ file: 'laptop.db' }),
    signer: await createNodeSigner(secretKey),
    verifier: await createNodeVerifier(),
    url: 'ws://127.0.0.1:7447/sync',
    transport: createNodeTransport(),
  })
  client.onStatus(({ connection, unsent }) => show(`${connection}, ${unsent} unsent`))
  client.connect()

  await client.chats.create({ id: 'oslo', title: 'Trip to Oslo' })
  await client.chats.send('oslo', 'What should I pack?') // on disk now, sent when there is a network
  const reply = await client.chats.stream('oslo')
  for await (const token of tokens) reply.push(token) // on disk and on its way while it goes on
  await reply.complete()
  const { messages } = await client.chats.read('oslo')
  show(messages.map((message) => message.content).join('\n'))

  await client.settings.set('activeModel', 'opus')
  await client.synced({ timeoutMs: 10_000 })
  await client.close()
  // end
}

export async function embedServer(app: RequestListener): Promise<void> {
  // example: server
  const http = createServer(app)
  const sync = createSyncServer({ server: http, data: './data', url: 'wss://example.com/sync' })
  await sync.listen()
  http.listen(8080)
  // end
}

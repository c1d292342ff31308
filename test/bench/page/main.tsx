/** What the bench `browser` has a page do; see `BenchPage`. */
import { createSyncClient, type Message, type SyncClient } from '@onyx-sync/client'
import { openBrowserStore } from '@onyx-sync/client/browser'
import { SyncProvider, useMessages } from '@onyx-sync/client/react'
import { PlainKeySigner } from 'nostr-tools/signer'
import { memo, useLayoutEffect } from 'react'
import { createRoot } from 'react-dom/client'
import * as Y from 'yjs'
import type { BenchPage } from '../browser.js'

const secretKey = new Uint8Array(32).fill(7)
const root = createRoot(document.getElementById('root') as HTMLElement)
let client: SyncClient

const Row = memo(({ message }: { message: Message }) => <p>{message.content}</p>)

function Chat({ onShown }: { onShown: (count: number) => void }) {
  const { messages, status } = useMessages('chat', { last: 50 })
  useLayoutEffect(() => {
    if (status === 'ready') onShown(messages.length)
  }, [status, messages, onShown])
  return messages.map((message) => <Row key={message.id} message={message} />)
}

/** Renders the chat. @returns when its rows are in the page and painted */
function show(): Promise<number> {
  return new Promise((resolve) => {
    const onShown = (count: number) => requestAnimationFrame(() => setTimeout(() => resolve(count)))
    root.render(
      <SyncProvider client={client}>
        <Chat onShown={onShown} />
      </SyncProvider>,
    )
  })
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await work()
  return performance.now() - from
}

const page: BenchPage = {
  async open(storage) {
    return timed(async () => {
      client = await createSyncClient({
        store: await openBrowserStore({ name: 'bench', storage }),
        signer: new PlainKeySigner(secretKey),
      })
      await client.chats.list()
    })
  },
  async add(first, texts) {
    if (first === 0) await client.chats.create({ id: 'chat' })
    const chat = await client.chats.open('chat')
    chat.doc.transact(() => {
      const maps = texts.map((text, index) => {
        const map = new Y.Map<unknown>()
        map.set('id', `m${first + index}`)
        map.set('role', index % 2 === 0 ? 'user' : 'assistant')
        map.set('content', new Y.Text(text))
        map.set('createdAt', 1_700_000_000_000 + (first + index) * 1_000)
        map.set('status', 'complete')
        return map
      })
      chat.doc.getArray('messages').push(maps)
    })
    await client.flush()
    chat.release()
  },
  show: () => timed(show),
  openChat: () => timed(() => client.chats.open('chat')),
  async append(texts) {
    const chat = await client.chats.open('chat')
    await chat.send('the first one looks at the whole list once')
    const spentMs = await timed(async () => {
      for (const text of texts) await chat.send(text)
    })
    return spentMs / texts.length
  },
}
Object.assign(globalThis, { bench: page })

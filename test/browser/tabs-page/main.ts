/** What tests of several tabs have each of them do; see `TabPage`. */
import type { Chat } from '@onyx-sync/client'
import { type BrowserStorage, openSharedClient, type SharedClient } from '@onyx-sync/client/browser'
import { PlainKeySigner } from 'nostr-tools/signer'
import { hexToBytes } from 'nostr-tools/utils'

let client: SharedClient
let chat: Chat
const failures: string[] = []

const page = {
  async open(sync: string, key: string, storage: BrowserStorage): Promise<string> {
    client = await openSharedClient({
      name: 'tabs',
      storage,
      signer: new PlainKeySigner(hexToBytes(key)),
      url: sync,
    })
    client.connect()
    return client.role
  },
  role: () => client.role,
  create: () => client.chats.create({ id: 'chat' }).then(() => {}),
  async show(): Promise<void> {
    chat = await client.chats.open('chat')
  },
  /** Sends one message after the other without waiting, and says on the console which are kept. */
  burst(name: string, count: number): void {
    const next = (number: number): void => {
      if (number > count) return
      const text = `${name} ${number}`
      // Every other one through a chat that is open.
      const sent = number % 2 === 0 ? chat.send(text) : client.chats.send('chat', text)
      sent.then(
        () => console.log(`kept ${text}`),
        (error) => failures.push(`${text}: ${error}`),
      )
      setTimeout(() => next(number + 1), 2)
    }
    next(1)
  },
  /** Streams words, one every few milliseconds, to the end. */
  async stream(id: string, words: number): Promise<string> {
    const stream = chat.stream({ id })
    for (let word = 1; word <= words; word++) {
      stream.push(`${id} ${word}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return (await stream.complete()).content
  },
  flush: () => client.flush(),
  saved: () => client.saved({ timeoutMs: 20_000 }),
  /** The texts of the chat: in the document, and in its rows. */
  async texts(): Promise<{ readonly shown: string[]; readonly rows: string[] }> {
    const view = client.chats.messages('chat', { last: 10_000 })
    const { messages } = await view.load()
    return {
      shown: chat.messages.map(({ content }) => content),
      rows: messages.map(({ content }) => content),
    }
  },
  failures: () => failures,
  unsaved: () => client.unsaved()?.message,
  close: () => client.close(),
}

export type TabPage = typeof page
Object.assign(window, { tab: page })

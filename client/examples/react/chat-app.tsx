import type { Message } from '@onyx-sync/client'
import * as sync from '@onyx-sync/client/react'
import { type FormEvent, memo, useState } from 'react'

export function ChatApp() {
  const client = sync.useSyncClient()
  const { chats } = sync.useChats()
  const [id, setId] = useState<string>()
  const network = sync.useSyncStatus(({ problem, connection }) => problem?.message ?? connection)
  const unsaved = sync.useUnsaved({ warnOnClose: true })
  const create = async () => setId((await client?.chats.create())?.id)
  return (
    <main>
      <button type="button" disabled={!client} onClick={create}>
        New chat
      </button>
      {chats.map((chat) => (
        <button type="button" key={chat.address} onClick={() => setId(chat.id)}>
          {chat.title || 'Untitled'} ({chat.messageCount})
        </button>
      ))}
      {id && <ChatView key={id} id={id} />}
      <p role="status">{`${network}, ${unsaved?.message ?? 'all saved'}`}</p>
    </main>
  )
}

function ChatView({ id }: { id: string }) {
  const { chat, title, error, canWrite } = sync.useChat(id)
  const { messages, hasOlder, loadOlder } = sync.useMessages(id, { last: 50 })

  async function send(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const text = String(new FormData(event.currentTarget).get('text'))
    event.currentTarget.reset()
    await chat?.send(text) // on disk here, sent when there is a network
    if (title === '') await chat?.suggestTitle(text.slice(0, 40))
    const reply = chat?.stream()
    for (const word of `You said: ${text}`.split(/(?= )/)) reply?.push(word) // your model here
    await reply?.complete()
  }

  return (
    <section>
      <h1>{title || 'Untitled'}</h1>
      {error && <p role="alert">{error.message}</p>}
      {hasOlder && (
        <button type="button" onClick={() => loadOlder()}>
          Older
        </button>
      )}
      {messages.map((message) => (
        <Row key={message.id} message={message} />
      ))}
      <form onSubmit={send}>
        <input name="text" aria-label="Message" disabled={!canWrite} />
      </form>
    </section>
  )
}

/** Rendered again only when its own message changes, whatever streams below. */
const Row = memo(({ message }: { message: Message }) => <p>{`${message.role}: ${message.content}`}</p>)

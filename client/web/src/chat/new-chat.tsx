import { type Chat, SyncError } from '@onyx-sync/client'
import { useEffect, useRef, useState } from 'react'
import { useDevice } from '../device/device-context.js'
import { Icon } from '../parts/icon.js'
import { newId } from '../parts/new-id.js'
import { chatHash } from '../parts/route.js'
import { orToast } from '../parts/toasts.js'
import { Composer } from './composer.js'
import { NotKept } from './not-kept.js'
import { useSending } from './use-sending.js'

const IDEAS = ['Hello there', 'Show me a table and some code', 'What time is it? Use a tool']

/** A chat that isn't there yet: the first message makes it. */
export function NewChat() {
  const { client } = useDevice()
  const send = useSending()
  const [isBusy, setBusy] = useState(false)
  /** The chat that storage refused to keep: it goes with the next write, and isn't made twice. */
  const refused = useRef<string>(undefined)
  /** What is written while the chat is being made goes into that chat. */
  const made = useRef<Promise<string>>(undefined)
  const isShown = useRef(true)
  useEffect(() => {
    isShown.current = true
    return () => {
      isShown.current = false
    }
  }, [])

  async function make(): Promise<string> {
    const id = refused.current ?? `chat_${newId()}`
    try {
      if (refused.current === undefined) await client.chats.create({ id })
      else await client.flush()
    } catch (error) {
      if (error instanceof SyncError && error.code === 'STORE_FAILED') refused.current = id
      throw error
    }
    refused.current = undefined
    return id
  }

  async function openMade(): Promise<Chat> {
    made.current ??= make()
    const id = await made.current.catch((error) => {
      made.current = undefined
      throw error
    })
    return client.chats.open(id)
  }

  async function begin(text: string) {
    setBusy(true)
    try {
      await send(openMade, text)
      const id = await made.current
      if (isShown.current && id !== undefined) location.hash = chatHash(id)
    } finally {
      setBusy(false)
    }
  }

  return (
    <section className="chat" aria-label="New chat">
      <header className="chat-head">
        <a className="icon-button only-narrow" href="#/" aria-label="All chats">
          <Icon name="back" />
        </a>
        <h1>New chat</h1>
      </header>
      <div className="blank">
        <h2>What’s on your mind?</h2>
        <p>Write something. It is kept on this device at once, whether there is a network or not.</p>
        <ul className="ideas">
          {IDEAS.map((idea) => (
            <li key={idea}>
              <button
                type="button"
                className="button"
                disabled={isBusy}
                onClick={() => void orToast(begin(idea))}
              >
                {idea}
              </button>
            </li>
          ))}
        </ul>
      </div>
      <div className="chat-foot">
        <NotKept />
        <Composer draft="" isFocused={!('ontouchstart' in window)} onSend={begin} />
      </div>
    </section>
  )
}

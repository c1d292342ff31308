import { useState } from 'react'
import { useDevice } from '../device/device-context.js'
import { Icon } from '../parts/icon.js'
import { chatHash } from '../parts/route.js'
import { orToast } from '../parts/toasts.js'
import { Composer } from './composer.js'
import { useSending } from './use-sending.js'

const IDEAS = ['Hello there', 'Show me a table and some code', 'What time is it? Use a tool']

/** A chat that isn't there yet: the first message makes it. */
export function NewChat() {
  const { client } = useDevice()
  const send = useSending()
  const [isBusy, setBusy] = useState(false)

  async function begin(text: string) {
    setBusy(true)
    const { id } = await client.chats.create()
    const chat = await client.chats.open(id)
    try {
      await send(chat, text)
      location.hash = chatHash(id)
    } finally {
      chat.release()
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
        <Composer
          draft=""
          isFocused={!('ontouchstart' in window)}
          onSend={(text) => void orToast(begin(text))}
        />
      </div>
    </section>
  )
}

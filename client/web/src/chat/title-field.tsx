import type { Chat } from '@onyx-sync/client'
import { useState } from 'react'
import { Icon } from '../parts/icon.js'
import { orToast } from '../parts/toasts.js'

/** The title of a chat, to be changed where it stands. */
export function TitleField({
  chat,
  title,
  canWrite,
}: {
  readonly chat: Chat | undefined
  readonly title: string
  readonly canWrite: boolean
}) {
  const [text, setText] = useState<string>()

  function save() {
    if (text === undefined) return
    setText(undefined)
    if (text.trim() !== title && text.trim() !== '') void orToast(chat?.rename(text.trim()))
  }

  if (text === undefined) {
    return (
      <div className="title">
        <h1>{title || (chat === undefined ? '…' : 'Untitled')}</h1>
        {canWrite && (
          <button
            type="button"
            className="icon-button small"
            aria-label="Rename the chat"
            title="Rename"
            onClick={() => setText(title)}
          >
            <Icon name="edit" size={16} />
          </button>
        )}
      </div>
    )
  }
  return (
    <form
      className="title"
      onSubmit={(event) => {
        event.preventDefault()
        save()
      }}
    >
      <input
        className="field"
        aria-label="Title of the chat"
        value={text}
        maxLength={200}
        // biome-ignore lint/a11y/noAutofocus: it takes the place of the button that was pressed
        autoFocus
        onChange={(event) => setText(event.target.value)}
        onBlur={save}
        onKeyDown={(event) => event.key === 'Escape' && setText(undefined)}
      />
    </form>
  )
}

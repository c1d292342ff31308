import { type KeyboardEvent, useEffect, useId, useRef, useState } from 'react'
import { Icon } from '../parts/icon.js'
import { orToast } from '../parts/toasts.js'

/** How soon a draft is kept after the last key. Milliseconds. */
const DRAFT_MS = 400

/** Where a message is written. Enter sends it, Shift and Enter begins a new line. */
export function Composer({
  draft,
  onDraft,
  onTyping,
  onSend,
  onStop,
  disabledBecause,
  isFocused = false,
}: {
  readonly draft: string
  readonly onDraft?: (text: string) => void
  readonly onTyping?: (isTyping: boolean) => void
  /** Takes the text; the field is emptied at once. Where that fails, nothing was done with it, and it comes back. */
  readonly onSend: (text: string) => Promise<void>
  /** Ends the reply that is being written here; undefined while none is. */
  readonly onStop?: (() => void) | undefined
  /** Why nothing can be written; undefined where it can. */
  readonly disabledBecause?: string | undefined
  readonly isFocused?: boolean
}) {
  const [text, setText] = useState(draft)
  const field = useRef<HTMLTextAreaElement>(null)
  const [fieldId, hintId] = [useId(), useId()]
  const latest = useRef({ text, onDraft })
  latest.current = { text, onDraft }

  useEffect(() => {
    const timer = setTimeout(() => text !== draft && onDraft?.(text), DRAFT_MS)
    return () => clearTimeout(timer)
  }, [text, draft, onDraft])

  // What was typed last before the chat was left is kept too.
  useEffect(() => () => latest.current.onDraft?.(latest.current.text), [])

  useEffect(() => {
    if (isFocused) field.current?.focus()
  }, [isFocused])

  useEffect(() => {
    onTyping?.(text !== '')
  }, [text, onTyping])

  function send() {
    const trimmed = text.trim()
    if (trimmed === '' || disabledBecause !== undefined) return
    setText('')
    latest.current = { text: '', onDraft }
    onDraft?.('')
    void orToast(onSend(trimmed).catch(takeBack(trimmed)))
  }

  function takeBack(sent: string) {
    return (error: unknown) => {
      setText((now) => (now === '' ? sent : `${sent}\n${now}`))
      throw error
    }
  }

  function onKey(event: KeyboardEvent) {
    // The Enter that accepts a word of an input method is none of ours.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
    event.preventDefault()
    send()
  }

  return (
    <div className="composer">
      <label htmlFor={fieldId} className="visually-hidden">
        Message
      </label>
      <textarea
        ref={field}
        id={fieldId}
        rows={1}
        placeholder={disabledBecause ?? 'Write a message'}
        aria-describedby={hintId}
        disabled={disabledBecause !== undefined}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKey}
      />
      <span id={hintId} className="visually-hidden">
        Enter sends, Shift and Enter begins a new line
      </span>
      {onStop === undefined ? (
        <button
          type="button"
          className="send"
          aria-label="Send"
          disabled={text.trim() === '' || disabledBecause !== undefined}
          onClick={send}
        >
          <Icon name="send" />
        </button>
      ) : (
        <button type="button" className="send" aria-label="Stop the reply" onClick={onStop}>
          <Icon name="stop" />
        </button>
      )}
    </div>
  )
}

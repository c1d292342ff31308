import { useState } from 'react'

/** A message while it is being changed. Enter saves, Escape leaves it as it was. */
export function MessageEditor({
  text: before,
  onSave,
  onCancel,
}: {
  readonly text: string
  readonly onSave: (text: string) => void
  readonly onCancel: () => void
}) {
  const [text, setText] = useState(before)
  return (
    <form
      className="editor"
      onSubmit={(event) => {
        event.preventDefault()
        onSave(text)
      }}
    >
      <textarea
        className="field"
        aria-label="Text of the message"
        value={text}
        // biome-ignore lint/a11y/noAutofocus: it takes the place of the message whose button was pressed
        autoFocus
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') onCancel()
          if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
          event.preventDefault()
          onSave(text)
        }}
      />
      <div className="choices">
        <button type="submit" className="button small primary">
          Keep
        </button>
        <button type="button" className="button small" onClick={onCancel}>
          Cancel
        </button>
      </div>
    </form>
  )
}

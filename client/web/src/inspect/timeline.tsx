import type { HistoryChange, HistoryEntry, Message } from '@onyx-sync/client'
import { useHistory } from '@onyx-sync/client/react'
import { useId, useState } from 'react'
import { orToast, toast } from '../parts/toasts.js'
import { counted, fullTime } from '../parts/words.js'
import { useInspected } from './inspected.js'
import { Who } from './who.js'

/** A chat as it was after each edit that the server's log still has, and a way back for what was deleted. */
export function Timeline({ address }: { readonly address: string }) {
  const { entries, status, error, reload } = useHistory(address)
  const [chosen, setChosen] = useState<number>()
  const sliderId = useId()
  const last = entries.length - 1
  const at = Math.min(chosen ?? last, last)
  const entry = entries[at]

  if (status === 'failed' && entry === undefined)
    return (
      <p role="alert" className="problem-text">
        {error?.message}
      </p>
    )
  if (entry === undefined)
    return <p role="status">{status === 'loading' ? 'Reading the history…' : 'Nothing has happened yet.'}</p>
  return (
    <>
      <div className="timeline">
        <label htmlFor={sliderId}>
          Edit {at + 1} of {entries.length}
        </label>
        <button type="button" className="button small" disabled={at === 0} onClick={() => setChosen(at - 1)}>
          Earlier
        </button>
        <input
          id={sliderId}
          type="range"
          min={0}
          max={last}
          value={at}
          aria-valuetext={`Edit ${at + 1} of ${entries.length}, ${fullTime(entry.at)}`}
          onChange={(event) => setChosen(Number(event.currentTarget.value))}
        />
        <button
          type="button"
          className="button small"
          disabled={at === last}
          onClick={() => setChosen(at + 1)}
        >
          Later
        </button>
        <button
          type="button"
          className="button small"
          onClick={() => {
            setChosen(undefined)
            reload()
          }}
        >
          Read again
        </button>
      </div>
      <Edit entry={entry} address={address} newest={entries[last]} onRestored={reload} />
      <section className="as-it-was" aria-label="The chat as it was">
        <h3>{entry.title === '' ? 'Untitled' : entry.title}</h3>
        <p className="aside">{counted(entry.messages.length, 'message')} after this edit</p>
        <ol>
          {entry.messages.map((message) => (
            <li key={message.id} data-role={message.role}>
              <span className="role">{message.role === 'user' ? 'Written' : 'Reply'}</span>
              <p>{message.content}</p>
            </li>
          ))}
        </ol>
      </section>
    </>
  )
}

function Edit({
  entry,
  address,
  newest,
  onRestored,
}: {
  readonly entry: HistoryEntry
  readonly address: string
  readonly newest: HistoryEntry | undefined
  readonly onRestored: () => void
}) {
  const { client, marks } = useInspected()
  const { author, at, eventId, isCheckpoint, changes } = entry

  async function restore(message: Message, previousId: string | undefined) {
    await marks.during(address, message.id, () => client.chats.restoreMessage(address, message, previousId))
    toast({ text: 'The message is in the chat again.' })
    await client.saved({ timeoutMs: 5_000 })
    onRestored()
  }

  return (
    <section className="edit" aria-label="The edit">
      <p>
        <Who pubkey={author} />, {fullTime(at)},{' '}
        {eventId === '' ? 'not sent yet' : <code>{eventId.slice(0, 8)}</code>}
        {isCheckpoint && '. A checkpoint: what came before it can’t be told apart any more'}
      </p>
      <ul>
        {changes.map((change) => (
          <li key={change.type === 'metadata' ? change.key : `${change.type} ${change.messageId}`}>
            <ChangeWords change={change} />
            {change.type === 'deleted' &&
              (newest?.messages.some(({ id }) => id === change.messageId) ? (
                ' It is in the chat again.'
              ) : (
                <>
                  {' '}
                  <button
                    type="button"
                    className="link"
                    onClick={() => void orToast(restore(change.before, change.previousId))}
                  >
                    Put it back
                  </button>
                </>
              ))}
          </li>
        ))}
      </ul>
    </section>
  )
}

function ChangeWords({ change }: { readonly change: HistoryChange }) {
  switch (change.type) {
    case 'added':
      return (
        <>
          {change.author === undefined ? 'Somebody' : <Who pubkey={change.author} />} wrote “
          {beginning(change.after.content)}”
        </>
      )
    case 'edited':
      return (
        <>
          Changed “{beginning(change.before.content)}” to “{beginning(change.after.content)}”
        </>
      )
    case 'deleted':
      return <>Deleted “{beginning(change.before.content)}”.</>
    case 'metadata':
      return (
        <>
          Set {change.key}
          {change.after === undefined ? ' to nothing' : ` to ${beginning(JSON.stringify(change.after))}`}
        </>
      )
  }
}

function beginning(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}

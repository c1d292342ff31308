import type { HistoryChange, HistoryEntry, Message } from '@onyx-sync/client'
import { useHistory } from '@onyx-sync/client/react'
import { useId, useState } from 'react'
import type { Device } from '../device/open-device.js'
import { KeyName } from '../parts/key-name.js'
import { orToast, toast } from '../parts/toasts.js'
import { counted, fullTime } from '../parts/words.js'

/** What it takes to show a history, and to put something of it back. */
type HistoryDevice = Pick<Device, 'client' | 'marks' | 'account'>

/** A chat as it was after each edit that the server's log still has, who made it, and a way back for what was deleted. */
export function ChatHistory({
  device,
  address,
}: {
  readonly device: HistoryDevice
  readonly address: string
}) {
  const { entries, status, error, reload } = useHistory(address)
  const [chosen, setChosen] = useState<number>()
  const sliderId = useId()
  const last = entries.length - 1
  const at = Math.min(chosen ?? last, last)
  const entry = entries[at]
  const count = `Edit ${at + 1} of ${entries.length}`

  return (
    <>
      {status === 'loading' && <p role="status">Asking the server for the signed log…</p>}
      {error && (
        <p role="alert" className="problem-text">
          {error.code === 'CONNECTION_FAILED'
            ? 'The history is on the server, and takes a connection.'
            : error.message}{' '}
          <button type="button" className="link" onClick={reload}>
            Try again
          </button>
        </p>
      )}
      {status === 'ready' && entry === undefined && <p role="status">Nothing has happened yet.</p>}
      {entry && (
        <>
          <div className="timeline">
            <label htmlFor={sliderId}>{count}</label>
            <Step label="Earlier" isOver={at === 0} onStep={() => setChosen(at - 1)} />
            <input
              id={sliderId}
              type="range"
              min={0}
              max={last}
              value={at}
              aria-valuetext={`${count}, ${fullTime(entry.at)}`}
              onChange={(event) => setChosen(Number(event.currentTarget.value))}
            />
            <Step label="Later" isOver={at === last} onStep={() => setChosen(at + 1)} />
            <Step
              label="Read again"
              onStep={() => {
                setChosen(undefined)
                reload()
              }}
            />
          </div>
          <Edit device={device} entry={entry} address={address} newest={entries[last]} onRestored={reload} />
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
      )}
    </>
  )
}

function Step({
  label,
  isOver = false,
  onStep,
}: {
  readonly label: string
  readonly isOver?: boolean
  readonly onStep: () => void
}) {
  return (
    <button type="button" className="button small" disabled={isOver} onClick={onStep}>
      {label}
    </button>
  )
}

function Edit({
  device,
  entry,
  address,
  newest,
  onRestored,
}: {
  readonly device: HistoryDevice
  readonly entry: HistoryEntry
  readonly address: string
  readonly newest: HistoryEntry | undefined
  readonly onRestored: () => void
}) {
  const { client, marks, account } = device
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
        <KeyName pubkey={author} own={account.pubkey} />, {fullTime(at)},{' '}
        {eventId === '' ? 'not sent yet' : <code>{eventId.slice(0, 8)}</code>}
        {isCheckpoint && '. A checkpoint: what came before it can’t be told apart any more'}
      </p>
      <ul>
        {changes.map((change) => (
          <li key={change.type === 'metadata' ? change.key : `${change.type} ${change.messageId}`}>
            <ChangeWords change={change} own={account.pubkey} />
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

function ChangeWords({ change, own }: { readonly change: HistoryChange; readonly own: string }) {
  switch (change.type) {
    case 'added':
      return (
        <>
          {change.author === undefined ? 'Somebody' : <KeyName pubkey={change.author} own={own} />} wrote “
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

/** So much of a text, to know which one is meant. Characters. */
const SNIPPET = 80

function beginning(text: string): string {
  return text.length > SNIPPET ? `${text.slice(0, SNIPPET)}…` : text
}

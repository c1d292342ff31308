import type { HistoryChange, HistoryEntry } from '@onyx-sync/client'
import { useHistory } from '@onyx-sync/client/react'
import { npubEncode } from 'nostr-tools/nip19'
import { useId, useState } from 'react'
import { useDevice } from '../device/device-context.js'
import { Dialog } from '../parts/dialog.js'
import { orToast, toast } from '../parts/toasts.js'
import { counted, fullTime, shortKey } from '../parts/words.js'
import { Markdown } from './markdown.js'

/** A chat as it was, at any point of its signed log, and who changed what then. */
export function HistoryDialog({
  address,
  onClose,
}: {
  readonly address: string
  readonly onClose: () => void
}) {
  const { entries, status, error, reload } = useHistory(address)
  const [chosen, setChosen] = useState<number>()
  const sliderId = useId()
  const place = Math.min(chosen ?? entries.length - 1, entries.length - 1)
  const entry = entries[place]

  return (
    <Dialog title="History" onClose={onClose} isWide>
      {status === 'loading' && <p role="status">Asking the server for the signed log…</p>}
      {error && (
        <p role="alert">
          {error.code === 'CONNECTION_FAILED'
            ? 'The history is on the server, and takes a connection.'
            : error.message}{' '}
          <button type="button" className="link" onClick={reload}>
            Try again
          </button>
        </p>
      )}
      {entry && (
        <>
          <label htmlFor={sliderId}>
            Step {place + 1} of {entries.length}
          </label>
          <input
            id={sliderId}
            className="slider"
            type="range"
            min={0}
            max={entries.length - 1}
            value={place}
            aria-valuetext={`${fullTime(entry.at)}, ${counted(entry.messages.length, 'message')}`}
            onChange={(event) => setChosen(Number(event.target.value))}
          />
          <Step key={place} address={address} entry={entry} />
        </>
      )}
    </Dialog>
  )
}

function Step({ address, entry }: { readonly address: string; readonly entry: HistoryEntry }) {
  const { account } = useDevice()
  const { author, at, changes, isCheckpoint, messages, title, eventId } = entry
  return (
    <>
      <p>
        <strong>{author === account.pubkey ? 'You' : shortKey(npubEncode(author))}</strong>, {fullTime(at)}
        {eventId === '' && ', on this device only'}
        {isCheckpoint && ', with everything before that can’t be told apart any more'}
      </p>
      <ul className="changes">
        {changes.map((change, index) => {
          const key = `${index}`
          return <Change key={key} address={address} change={change} />
        })}
      </ul>
      <section className="then" aria-label="The chat as it was">
        <h3>{title || 'Untitled'}</h3>
        {messages.map((message) => (
          <article key={message.id} className="message" data-role={message.role}>
            <div className="bubble">
              <Markdown text={message.content} />
            </div>
          </article>
        ))}
      </section>
    </>
  )
}

/** So much of a text, to know which one is meant. Characters. */
const SNIPPET = 80

function Change({ address, change }: { readonly address: string; readonly change: HistoryChange }) {
  const { client, marks } = useDevice()
  if (change.type === 'metadata') {
    return (
      <li>
        {change.key}: {worded(change.before)} → {worded(change.after)}
      </li>
    )
  }
  if (change.type === 'added') return <li>Added: {cut(change.after.content)}</li>
  if (change.type === 'edited') {
    return (
      <li>
        Changed: {cut(change.before.content)} → {cut(change.after.content)}
      </li>
    )
  }
  const { before, previousId } = change
  async function restore() {
    await marks.during(address, before.id, () => client.chats.restoreMessage(address, before, previousId))
    toast({ text: 'The message is back.' })
  }
  return (
    <li>
      Deleted: {cut(before.content)}{' '}
      <button type="button" className="link" onClick={() => void orToast(restore())}>
        Put it back
      </button>
    </li>
  )
}

function cut(text: string): string {
  return text.length > SNIPPET ? `“${text.slice(0, SNIPPET)}…”` : `“${text}”`
}

function worded(value: unknown): string {
  return value === undefined ? 'nothing' : typeof value === 'string' ? cut(value) : JSON.stringify(value)
}

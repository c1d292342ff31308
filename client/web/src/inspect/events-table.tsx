import { useState } from 'react'
import { counted, fullTime } from '../parts/words.js'
import { type CheckedEvent, VERDICT_WORDS } from './check-event.js'
import { DataTable } from './data-table.js'
import { RawText } from './raw-text.js'
import { sizeWords } from './sizes.js'
import { Who } from './who.js'

/** Rows at first and with each step. */
const STEP = 50

/** The events of a document, newest first, each with what its check said. */
export function EventsTable({
  checked,
  total,
}: {
  readonly checked: readonly CheckedEvent[]
  readonly total: number
}) {
  const [count, setCount] = useState(STEP)
  const invalid = checked.filter(({ verdict }) => verdict !== 'valid').length
  const outcome = invalid === 0 ? 'all valid' : `${invalid} invalid`
  const sorted = [...checked].sort((a, b) => (b.event?.created_at ?? 0) - (a.event?.created_at ?? 0))

  return (
    <>
      <p role="status">
        {checked.length < total
          ? `Checking: ${checked.length} of ${counted(total, 'event')}`
          : `${counted(total, 'event')} checked in this page: ${outcome}`}
      </p>
      <DataTable
        caption="Events in the server’s log, newest first"
        heads={['Check', 'Author', 'Written', 'Kind', 'Size', 'Encoding', 'What it holds', 'Event']}
      >
        {sorted.slice(0, count).map((entry, index) => (
          <EventRow key={entry.event?.id ?? `malformed ${index}`} entry={entry} />
        ))}
      </DataTable>
      {count < sorted.length && (
        <button type="button" className="button" onClick={() => setCount(count + STEP)}>
          Show {Math.min(STEP, sorted.length - count)} more
        </button>
      )}
    </>
  )
}

/** What is said in place of an edit: other kinds have none, and what nobody signed isn’t looked into. */
const WITHOUT_CONTENT: Readonly<Record<CheckedEvent['verdict'], string>> = {
  valid: 'no edit of a document',
  'wrong-id': 'not read',
  'wrong-signature': 'not read',
  malformed: 'not read',
}

function EventRow({ entry }: { readonly entry: CheckedEvent }) {
  const { event, verdict, problem, bytes, content } = entry
  return (
    <tr data-verdict={verdict === 'valid' ? 'valid' : 'invalid'}>
      <td className="verdict">
        {VERDICT_WORDS[verdict]}
        {problem !== '' && <small>{problem}</small>}
      </td>
      <td>{event === undefined ? 'nobody' : <Who pubkey={event.pubkey} />}</td>
      <td>{event === undefined ? '' : fullTime(event.created_at * 1_000)}</td>
      <td className="number">{event?.kind}</td>
      <td className="number">{sizeWords(bytes)}</td>
      <td>{content?.encoding}</td>
      <td>{content === undefined ? WITHOUT_CONTENT[verdict] : <ContentWords {...content} />}</td>
      <td>
        <details>
          <summary>
            <code>{event?.id.slice(0, 8) ?? 'as it came'}</code>
            <span className="visually-hidden"> in full</span>
          </summary>
          <RawText label="The event" text={JSON.stringify(event, undefined, 2)} />
        </details>
      </td>
    </tr>
  )
}

function ContentWords({
  isCheckpoint,
  bytes,
  structs,
  deletions,
  clocks,
  part,
}: NonNullable<CheckedEvent['content']>) {
  return (
    <>
      {isCheckpoint && <strong>Checkpoint: </strong>}
      {part !== undefined && `Part ${part}: `}
      {counted(structs, 'piece')}, {counted(deletions, 'deletion')}, {sizeWords(bytes)}
      {clocks.length > 0 && (
        <ul className="clocks">
          {clocks.map(({ client, from, to }) => (
            <li key={client}>
              <code>{client}</code>: clocks {from}–{to - 1}
            </li>
          ))}
        </ul>
      )}
    </>
  )
}

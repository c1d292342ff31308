import { useState } from 'react'
import { useStore } from '../parts/use-store.js'
import { counted } from '../parts/words.js'
import { DataTable } from './data-table.js'
import { useInspected } from './inspected.js'
import { RawText } from './raw-text.js'
import { sizeWords } from './sizes.js'
import { MAX_ENTRIES, MAX_TEXT_LENGTH, type TrafficEntry } from './traffic-log.js'

/** Rows at first and with each step. */
const STEP = 100
/** Characters of a message that are shown before it is opened. */
const BEGINNING = 120

const SOURCES: Readonly<Record<TrafficEntry['source'], string>> = {
  device: 'Device',
  inspector: 'Inspector',
}
const DIRECTIONS: Readonly<Record<TrafficEntry['direction'], string>> = {
  sent: '→ sent',
  received: '← received',
  connection: 'connection',
}
const time = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
})

/** What went over this tab's wire, newest first. */
export function TrafficView() {
  const { client, traffic } = useInspected()
  const entries = useStore(traffic, traffic.entries)
  const [count, setCount] = useState(STEP)
  const [held, setHeld] = useState<readonly TrafficEntry[]>()
  const shown = [...(held ?? entries)].reverse().slice(0, count)
  const bytes = (direction: TrafficEntry['direction']) =>
    sizeWords(entries.reduce((sum, entry) => sum + (entry.direction === direction ? entry.bytes : 0), 0))

  return (
    <>
      <h2>Wire</h2>
      <p className="aside">
        The last {MAX_ENTRIES} messages of this tab since the page was opened: those on which the inspector
        reads, and
        {client.role === 'leader'
          ? ' the device’s own, which this tab has.'
          : ' not the device’s own, which another tab has.'}{' '}
        They are kept in this page only. Your secret key is never on the wire.
      </p>
      <p>
        {counted(entries.length, 'entry', 'entries')}: {bytes('sent')} sent, {bytes('received')} received
      </p>
      <div className="choices">
        <button
          type="button"
          className="button"
          onClick={() => setHeld(held === undefined ? entries : undefined)}
        >
          {held === undefined ? 'Hold still' : 'Go on'}
        </button>
        <button
          type="button"
          className="button"
          onClick={() => {
            setHeld(undefined)
            traffic.clear()
          }}
        >
          Clear
        </button>
      </div>
      <DataTable caption="Messages, newest first" heads={['Time', 'Of', 'Direction', 'Type', 'Size', 'Text']}>
        {shown.map((entry) => (
          <TrafficRow key={entry.id} entry={entry} />
        ))}
      </DataTable>
      {shown.length === count && (
        <button type="button" className="button" onClick={() => setCount(count + STEP)}>
          Show more
        </button>
      )}
    </>
  )
}

function TrafficRow({ entry }: { readonly entry: TrafficEntry }) {
  const { at, source, direction, type, bytes, text, isCut } = entry
  const [isOpen, setOpen] = useState(false)
  return (
    <tr data-direction={direction}>
      <td className="number">{time.format(at)}</td>
      <td>{SOURCES[source]}</td>
      <td>{DIRECTIONS[direction]}</td>
      <td>
        <code>{type}</code>
      </td>
      <td className="number">{bytes === 0 ? '' : sizeWords(bytes)}</td>
      <td>
        {text.length <= BEGINNING ? (
          <code>{text}</code>
        ) : (
          <details onToggle={(event) => setOpen(event.currentTarget.open)}>
            <summary>
              <code>{text.slice(0, BEGINNING)}…</code>
            </summary>
            {isOpen && (
              <RawText
                label="The message"
                text={
                  isCut ? `${text}\n… the rest of it isn’t kept, beyond ${sizeWords(MAX_TEXT_LENGTH)}` : text
                }
              />
            )}
          </details>
        )}
      </td>
    </tr>
  )
}

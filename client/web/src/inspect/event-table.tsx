import { npubEncode } from 'nostr-tools/nip19'
import { fullTime, shortKey } from '../parts/words.js'
import type { CheckedEvent } from './checked-event.js'

/** Events of one document, newest first, each with what was found out about it. */
export function EventTable({
  events,
  owner,
}: {
  readonly events: readonly CheckedEvent[]
  readonly owner: string
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable from the keyboard
    <section className="table markdown" tabIndex={0} aria-label="Events">
      <table>
        <thead>
          <tr>
            {['When', 'What', 'Who', 'Bytes', 'Signature', 'Id'].map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {events.map((event) => (
            <tr key={event.id}>
              <td>{fullTime(event.created_at * 1000)}</td>
              <td>{event.what}</td>
              <td>{event.pubkey === owner ? 'you' : shortKey(npubEncode(event.pubkey))}</td>
              <td data-align="right">{event.bytes.toLocaleString()}</td>
              <td>{event.isGenuine ? '✓ right' : '✗ wrong'}</td>
              <td>
                <code title={event.id}>{event.id.slice(0, 12)}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

import { counted } from '../parts/words.js'
import type { CheckedEvent } from './check-event.js'
import { DataTable } from './data-table.js'
import { useInspected } from './inspected.js'
import { useAnswer } from './use-answer.js'
import { Who } from './who.js'
import { joinWriters, readServerWriters } from './writers.js'

const NOBODY: ReadonlyMap<number, string> = new Map()

/** Whose the Yjs client ids of a chat are: by the signed events, and by the server's list. */
export function WritersTable({
  address,
  checked,
}: {
  readonly address: string
  readonly checked: readonly CheckedEvent[]
}) {
  const { reader, fetchInfo } = useInspected()
  const server = useAnswer(async () => {
    const { self } = ((await fetchInfo()) ?? {}) as { readonly self?: unknown }
    return { ...(await readServerWriters(reader, address)), named: self }
  }, address)
  const writers = joinWriters(checked, server.status === 'there' ? server.value.writers : NOBODY)
  return (
    <>
      <p className="aside">
        Each start of a device writes under a number of its own, a Yjs client id. An event’s signature says
        whose it is; where a checkpoint has taken the place of the events, the server’s signed list does.
      </p>
      <DataTable
        caption={counted(writers.length, 'Yjs client id')}
        heads={['Client id', 'By a signed event', 'By the server’s list', 'Written so far']}
      >
        {writers.map(({ client, signedBy, byServer, clock }) => (
          <tr key={client}>
            <th scope="row">
              <code>{client}</code>
            </th>
            <td>{signedBy === undefined ? 'only in a checkpoint' : <Who pubkey={signedBy} />}</td>
            <td>{byServer === undefined ? 'not listed' : <Who pubkey={byServer} />}</td>
            <td className="number">{counted(clock, 'piece')}</td>
          </tr>
        ))}
      </DataTable>
      <p>
        {server.status === 'waiting' && 'Asking the server for its list…'}
        {server.status === 'failed' && <span className="problem-text">{server.reason}</span>}
        {server.status === 'there' &&
          (server.value.signer === undefined ? (
            'The server has no list of this chat.'
          ) : (
            <>
              The list is signed by <Who pubkey={server.value.signer} />, checked in this page:{' '}
              {server.value.signer === server.value.named
                ? 'the key that the server names as its own.'
                : 'that is not the key which the server names as its own.'}
            </>
          ))}
      </p>
    </>
  )
}

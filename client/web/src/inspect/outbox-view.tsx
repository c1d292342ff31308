import { useChats, useSyncStatus } from '@onyx-sync/client/react'
import { counted } from '../parts/words.js'
import { saveRefused } from '../sync/save-refused.js'
import { DataTable } from './data-table.js'
import { useInspected } from './inspected.js'
import { explainRefusal, STATE_WORDS } from './outbox-words.js'

const NO_DOCUMENTS: readonly string[] = []

/** What is on this device only, and what the server refused. */
export function OutboxView() {
  const { client, account, url } = useInspected()
  const status = useSyncStatus()
  const { chats } = useChats({ includeDeleted: true })
  const refused = status.refused === 0 ? [] : client.refused()
  // What was refused has a table of its own.
  const unsaved = client.unsaved()?.documents ?? NO_DOCUMENTS
  const documents = unsaved.filter((address) => client.stateOf(address) !== 'refused')
  const titleOf = (lane: string) => {
    if (lane === 'training') return 'Training data'
    if (lane === `10001:${account.pubkey}:`) return 'Settings'
    const title = chats.find(({ address }) => address === lane)?.title ?? ''
    return title === '' ? 'Untitled' : title
  }

  return (
    <>
      <h2>Outbox</h2>
      <p role="status">
        {status.unsent === 0
          ? 'Everything is saved on the server'
          : `${counted(status.unsent, 'edit')} not saved yet`}
        {status.refused > 0 && `, ${counted(status.refused, 'edit')} refused`}
      </p>
      {documents.length > 0 && (
        <DataTable caption="Not saved yet" heads={['Document', 'How far', 'Newest edit']}>
          {documents.map((address) => (
            <tr key={address}>
              <th scope="row">
                {titleOf(address)}
                <code className="address">{address}</code>
              </th>
              <td>{STATE_WORDS[client.stateOf(address)]}</td>
              <td className="number">
                {address === 'training' ? '' : `Number ${client.lastEdit(address).seq} of this device`}
              </td>
            </tr>
          ))}
        </DataTable>
      )}
      {refused.length > 0 && (
        <>
          <DataTable
            caption="Refused by the server, and kept on this device"
            heads={['Document', 'Edits', 'Code', 'The server’s words', 'What to do']}
          >
            {refused.map(({ id, lane, edits, reason }) => {
              const { code, words, advice } = explainRefusal(reason)
              return (
                <tr key={id}>
                  <th scope="row">
                    {titleOf(lane)}
                    <code className="address">{lane}</code>
                  </th>
                  <td className="number">{edits}</td>
                  <td>
                    <code>{code}</code>
                  </td>
                  <td>{words}</td>
                  <td>{advice}</td>
                </tr>
              )
            })}
          </DataTable>
          <div className="choices">
            <button type="button" className="button" onClick={() => client.retryRefused()}>
              Send again
            </button>
            <button type="button" className="button" onClick={() => saveRefused(client)}>
              Save as a file
            </button>
          </div>
        </>
      )}
      <h3>This device</h3>
      <dl className="facts">
        <dt>Connection</dt>
        <dd>{status.connection}</dd>
        <dt>Server</dt>
        <dd>
          <code>{url}</code>
        </dd>
        <dt>Caught up</dt>
        <dd>{status.isCaughtUp ? 'yes' : 'not yet'}</dd>
        <dt>Device id</dt>
        <dd>
          <code>{client.deviceId}</code>
        </dd>
        <dt>This tab</dt>
        <dd>
          {client.role === 'leader' ? 'has the database and the connection' : 'works through another tab'}
        </dd>
        <dt>Set aside</dt>
        <dd>
          {status.setAside === 0
            ? 'nothing'
            : `${counted(status.setAside, 'event')} not signed by their author`}
        </dd>
        <dt>Last problem</dt>
        <dd>
          {status.problem === undefined ? (
            'none'
          ) : (
            <>
              <code>{status.problem.code}</code> {status.problem.message}
            </>
          )}
        </dd>
      </dl>
    </>
  )
}

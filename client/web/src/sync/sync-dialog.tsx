import { useSyncStatus } from '@onyx-sync/client/react'
import { useDevice } from '../device/device-context.js'
import { deviceName } from '../device/device-name.js'
import { Dialog } from '../parts/dialog.js'
import { useStore } from '../parts/use-store.js'
import { counted } from '../parts/words.js'
import { saveRefused } from './save-refused.js'
import { syncWords } from './sync-words.js'
import { useDevicesOnline } from './use-devices-online.js'

/** How this device stands with its server, in full, and what to do about what was refused. */
export function SyncDialog({ onClose }: { readonly onClose: () => void }) {
  const { client, network, slot, url } = useDevice()
  const status = useSyncStatus()
  const isOn = useStore(network, () => network.isOn)
  const others = useDevicesOnline()
  const refused = status.refused === 0 ? [] : client.refused()
  const { text, more } = syncWords(status, isOn, Date.now())

  return (
    <Dialog title="Sync" onClose={onClose}>
      <p>
        {text}
        {more !== '' && `. ${more}`}.
      </p>
      {refused.length > 0 && (
        <>
          <h3>Refused by the server</h3>
          <ul className="refused">
            {refused.map(({ id, lane, edits, reason }) => (
              <li key={id}>
                <strong>{counted(edits, 'edit')}</strong> of{' '}
                {lane === 'training' ? 'training data' : <code>{lane}</code>}
                <br />
                {reason}
              </li>
            ))}
          </ul>
          <p>They are kept on this device, and shown here only.</p>
          <div className="choices">
            <button type="button" className="button primary" onClick={() => client.retryRefused()}>
              Send again
            </button>
            <button type="button" className="button" onClick={() => saveRefused(client)}>
              Save them as a file
            </button>
          </div>
        </>
      )}
      <dl className="facts">
        <dt>Server</dt>
        <dd>
          <code>{url}</code>
        </dd>
        <dt>Not saved yet</dt>
        <dd>{counted(status.unsent, 'edit')}</dd>
        <dt>Chats and settings here</dt>
        <dd>{counted(status.documents, 'document')}</dd>
        <dt>Set aside</dt>
        <dd>
          {status.setAside === 0
            ? 'nothing'
            : `${counted(status.setAside, 'event')} not signed by their author`}
        </dd>
        {status.problem && (
          <>
            <dt>Last problem</dt>
            <dd>
              <code>{status.problem.code}</code> {status.problem.message}
            </dd>
          </>
        )}
        <dt>Devices online</dt>
        <dd>{[`${deviceName(slot)} (this one)`, ...others].join(', ')}</dd>
      </dl>
      <a className="button" href={`/inspect${location.search}`}>
        Look into what is kept and sent
      </a>
      <h3>What the words mean</h3>
      <dl className="facts">
        <dt>On this device</dt>
        <dd>It is in this browser’s database, and still there after a reload.</dd>
        <dt>Sent</dt>
        <dd>It is on its way; the server hasn’t said that it has it.</dd>
        <dt>Saved</dt>
        <dd>It is on the server’s disk, and reaches your other devices from there.</dd>
      </dl>
    </Dialog>
  )
}

import { useSyncClient, useSyncStatus } from '@onyx-sync/client/react'
import { useEffect, useState } from 'react'
import { useDevice } from '../device/device-context.js'
import { appUpdate } from '../parts/app-update.js'
import { Icon } from '../parts/icon.js'
import { Switch } from '../parts/switch.js'
import { useStore } from '../parts/use-store.js'
import { counted } from '../parts/words.js'
import { syncWords } from './sync-words.js'
import { useDevicesOnline } from './use-devices-online.js'

/** The line above everything: how far this device's edits are, and the switch that takes it off the network. */
export function SyncBar({ onDetails }: { readonly onDetails: () => void }) {
  const { network, keeping } = useDevice()
  const client = useSyncClient()
  const status = useSyncStatus()
  const isOn = useStore(network, () => network.isOn)
  const isUpdateReady = useStore(appUpdate, appUpdate.isReady)
  const others = useDevicesOnline()
  const now = useNow(status.connection === 'waiting')
  const { tone, icon, text, more, spoken } = syncWords(status, isOn, now)
  const isRefusedHere = status.problem?.code === 'STORE_FAILED'
  const isCatchingUp = status.connection === 'catching-up'

  return (
    <header className="sync-bar" data-tone={tone}>
      <button type="button" className="sync-state" onClick={onDetails} title="Show details">
        <Icon name={icon} size={18} />
        <span className="sync-words">
          <span>{text}</span>
          {more !== '' && <span className="sync-more">{more}</span>}
        </span>
      </button>
      <span className="visually-hidden" role="status">
        {spoken}
      </span>
      {(isRefusedHere || (status.connection === 'waiting' && isOn)) && (
        <button
          type="button"
          className="link"
          onClick={() => (isRefusedHere ? keeping.retry() : client?.wake())}
        >
          Try now
        </button>
      )}
      {isCatchingUp && (
        <progress
          aria-label="Catching up"
          {...(status.progress && { value: status.progress.done, max: status.progress.total })}
        />
      )}
      <span className="spacer" />
      {others.length > 0 && (
        <span className="others-online" title={others.join(', ')}>
          <span className="dot" aria-hidden="true" />
          {counted(others.length, 'other device')} online
        </span>
      )}
      {isUpdateReady && (
        <button type="button" className="button small primary" onClick={appUpdate.use}>
          New version: reload
        </button>
      )}
      <Switch label="Network" isOn={isOn} onChange={network.set} />
    </header>
  )
}

/** The time, again each second while it is asked for. */
function useNow(isWanted: boolean): number {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    if (!isWanted) return undefined
    setNow(Date.now())
    const timer = setInterval(() => setNow(Date.now()), 500)
    return () => clearInterval(timer)
  }, [isWanted])
  return now
}

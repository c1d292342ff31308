import { usePresence, useSyncStatus } from '@onyx-sync/client/react'
import { useEffect, useState } from 'react'
import { useDevice } from '../device/device-context.js'
import { deviceName } from '../device/device-name.js'

/** Who hasn't touched a key for so long isn't typing. Milliseconds. */
const PAUSE_MS = 4_000

/** Who else has this chat open, and who is typing; and tells them the same of this device. */
export function Others({ address, isTyping }: { readonly address: string; readonly isTyping: boolean }) {
  const { account, slot } = useDevice()
  const isActive = usePausing(isTyping)
  const said = account.kind === 'key' ? { name: deviceName(slot), typing: isActive } : undefined
  const isLive = useSyncStatus(({ connection }) => connection === 'live')
  const { others: last } = usePresence(address === '' ? undefined : address, said)
  // Who was there when the connection went may have gone since.
  const others = isLive ? last : []
  const typing = others.filter(({ state }) => state.typing === true)
  const names = (list: typeof others) =>
    list.map(({ state }) => String(state.name ?? 'Somebody').slice(0, 40)).join(', ')
  return (
    <span className="others" role="status">
      {typing.length > 0
        ? `${names(typing)} is typing…`
        : others.length > 0
          ? `Also here: ${names(others)}`
          : ''}
    </span>
  )
}

function usePausing(isTyping: boolean): boolean {
  const [isActive, setActive] = useState(isTyping)
  useEffect(() => {
    setActive(isTyping)
    const timer = setTimeout(() => setActive(false), PAUSE_MS)
    return () => clearTimeout(timer)
  }, [isTyping])
  return isActive
}

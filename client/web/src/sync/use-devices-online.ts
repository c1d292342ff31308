import { useSyncStatus } from '@onyx-sync/client/react'
import { useEffect, useState } from 'react'
import { useDevice } from '../device/device-context.js'
import { deviceName } from '../device/device-name.js'

const NOBODY: readonly string[] = []

/**
 * Names of this account's other devices that are online now, told by presence in the settings, which all of them have.
 * A signer extension may ask its user for each signature, so with one this device listens, and says nothing itself.
 */
export function useDevicesOnline(): readonly string[] {
  const { client, account, slot } = useDevice()
  const isLive = useSyncStatus(({ connection }) => connection === 'live')
  const [names, setNames] = useState(NOBODY)
  useEffect(() => {
    const presence = client.presence(`10001:${account.pubkey}:`)
    const look = () =>
      setNames(
        presence
          .states()
          .filter(({ isLocal, pubkey }) => !isLocal && pubkey === account.pubkey)
          .map(({ state }) => String(state.name ?? 'A device').slice(0, 40)),
      )
    const end = presence.onChange(look)
    if (account.kind === 'key') presence.setLocal({ name: deviceName(slot) })
    look()
    return () => {
      end()
      presence.leave()
    }
  }, [client, account, slot])
  // Who was there when the connection went may have gone since.
  return isLive ? names : NOBODY
}

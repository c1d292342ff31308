import type { Transport } from '@onyx-sync/client'
import { SyncProvider } from '@onyx-sync/client/react'
import { useEffect, useState } from 'react'
import { Failed } from '../account/failed.js'
import type { Device } from '../device/open-device.js'
import type { Session } from '../device/session.js'
import { Logo } from '../parts/logo.js'
import { Toasts } from '../parts/toasts.js'
import { useStore } from '../parts/use-store.js'
import { type Inspected, InspectedContext } from './inspected.js'
import { Inspector } from './inspector.js'
import { createLogReader } from './log-reader.js'
import type { TrafficLog } from './traffic-log.js'

interface PageProps {
  readonly session: Session
  readonly traffic: TrafficLog
  /** For what the inspector reads itself. */
  readonly transport: Transport
}

/** The whole page, as far as its device is: it opens the same one as the chats do, beside them in other tabs. */
export function InspectorPage({ session, traffic, transport }: PageProps) {
  const state = useStore(session, session.getSnapshot)
  return (
    <>
      {state.phase === 'welcome' && <NobodyHere />}
      {state.phase === 'opening' && <p className="opening">Opening your device…</p>}
      {state.phase === 'failed' && <Failed error={state.error} />}
      {state.phase === 'open' && (
        <Opened session={session} traffic={traffic} transport={transport} device={state.device} />
      )}
      <Toasts />
    </>
  )
}

function NobodyHere() {
  return (
    <main className="front">
      <Logo />
      <h1>There is no account on this device yet</h1>
      <p>The inspector shows what a device has and sends. Make an account first, or bring one in.</p>
      <a className="button primary large" href={`/${location.search}`}>
        To the beginning
      </a>
    </main>
  )
}

function Opened({ session, traffic, transport, device }: PageProps & { readonly device: Device }) {
  const [inspected, setInspected] = useState<Inspected>()

  useEffect(() => {
    let isOver = false
    let close = () => {}
    void session.keychain.signer(device.account).then((signer) => {
      if (isOver) return
      const { url, network } = device
      const reader = createLogReader({ url, signer, transport, isNetworkOn: () => network.isOn })
      const end = network.subscribe(() => network.isOn || reader.close())
      close = () => {
        end()
        reader.close()
      }
      setInspected({ ...device, reader, traffic, signer, fetchInfo: () => transport.fetchInfo(url) })
    })
    return () => {
      isOver = true
      close()
    }
  }, [session, traffic, transport, device])

  if (inspected === undefined) return <p className="opening">Opening your device…</p>
  return (
    <SyncProvider client={device.client}>
      <InspectedContext value={inspected}>
        <Inspector />
      </InspectedContext>
    </SyncProvider>
  )
}

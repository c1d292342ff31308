import '../styles/index.css'
import '../styles/inspect.css'
import { SyncProvider } from '@onyx-sync/client/react'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { Failed } from '../account/failed.js'
import { Welcome } from '../account/welcome.js'
import { createSession, type Session } from '../device/session.js'
import { slotOf } from '../device/slot.js'
import { Toasts } from '../parts/toasts.js'
import { useStore } from '../parts/use-store.js'
import { Inspector } from './inspector.js'

const session = createSession(slotOf(location.search))
session.begin()

function Page({ of }: { readonly of: Session }) {
  const state = useStore(of, of.getSnapshot)
  return (
    <>
      {state.phase === 'welcome' && <Welcome session={of} givenKey={undefined} />}
      {state.phase === 'opening' && <p className="opening">Opening your chats…</p>}
      {state.phase === 'failed' && <Failed error={state.error} />}
      {state.phase === 'open' && (
        <SyncProvider client={state.device.client}>
          <Inspector device={state.device} keychain={of.keychain} />
        </SyncProvider>
      )}
      <Toasts />
    </>
  )
}

createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <Page of={session} />
  </StrictMode>,
)

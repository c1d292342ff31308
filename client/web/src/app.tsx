import { SyncProvider } from '@onyx-sync/client/react'
import { lazy, Suspense, useMemo } from 'react'
import { Failed } from './account/failed.js'
import { createReplies } from './answers/replies.js'
import { DeviceContext } from './device/device-context.js'
import type { Device } from './device/open-device.js'
import type { Session } from './device/session.js'
import { PageFault } from './parts/page-fault.js'
import { Toasts } from './parts/toasts.js'
import { useStore } from './parts/use-store.js'
import { Workspace } from './workspace.js'

// Whoever has an account doesn't see it again.
const Welcome = lazy(() => import('./account/welcome.js').then(({ Welcome }) => ({ default: Welcome })))

/** The whole page, as far as its device is. */
export function App({
  session,
  givenKey,
}: {
  readonly session: Session
  readonly givenKey: string | undefined
}) {
  const state = useStore(session, session.getSnapshot)
  return (
    <>
      <Suspense>{state.phase === 'welcome' && <Welcome session={session} givenKey={givenKey} />}</Suspense>
      {state.phase === 'opening' && <Opening isHeldUp={state.problem !== undefined} />}
      {state.phase === 'failed' && <Failed error={state.error} />}
      {state.phase === 'open' && <Opened session={session} device={state.device} givenKey={givenKey} />}
      <Toasts />
    </>
  )
}

function Opening({ isHeldUp }: { readonly isHeldUp: boolean }) {
  return (
    <div className="opening" role="status">
      <p>Opening your chats…</p>
      {isHeldUp && (
        <p>
          Another tab of this page has them open and doesn’t answer. Close that tab, and they open here;
          nothing is lost.
        </p>
      )}
    </div>
  )
}

function Opened({
  session,
  device,
  givenKey,
}: {
  readonly session: Session
  readonly device: Device
  readonly givenKey: string | undefined
}) {
  const open = useMemo(
    () => ({ ...device, session, replies: createReplies(device.client, device.marks) }),
    [device, session],
  )
  return (
    <SyncProvider client={device.client}>
      <DeviceContext value={open}>
        <PageFault>
          <Workspace givenKey={givenKey} />
        </PageFault>
      </DeviceContext>
    </SyncProvider>
  )
}

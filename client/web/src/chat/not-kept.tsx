import type { Message } from '@onyx-sync/client'
import { lazy, Suspense } from 'react'
import { useDevice } from '../device/device-context.js'
import { useStore } from '../parts/use-store.js'

const NotKeptList = lazy(() =>
  import('./not-kept-list.js').then(({ NotKeptList }) => ({ default: NotKeptList })),
)

const NONE: readonly Message[] = []

/**
 * Where it stands what isn't kept; nothing while all is. Messages that are shown come from the database: a text that one of
 * them has went there with another write, though whether all is kept isn't known before the next try.
 */
export function NotKept({ shown = NONE }: { readonly shown?: readonly Message[] }) {
  const { keeping } = useDevice()
  const unkept = useStore(keeping, keeping.unkept).filter(
    ({ messageId, text }) => !shown.some(({ id, content }) => id === messageId && content === text),
  )
  if (unkept.length === 0) return null
  return (
    <Suspense>
      <NotKeptList unkept={unkept} />
    </Suspense>
  )
}

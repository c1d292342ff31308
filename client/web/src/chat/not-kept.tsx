import { lazy, Suspense } from 'react'
import { useDevice } from '../device/device-context.js'
import { useStore } from '../parts/use-store.js'

const NotKeptList = lazy(() =>
  import('./not-kept-list.js').then(({ NotKeptList }) => ({ default: NotKeptList })),
)

/** Where it stands what isn't kept; nothing while all is. */
export function NotKept() {
  const { keeping } = useDevice()
  const isAllKept = useStore(keeping, () => keeping.unkept().length === 0)
  if (isAllKept) return null
  return (
    <Suspense>
      <NotKeptList />
    </Suspense>
  )
}

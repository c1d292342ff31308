import type { SyncError } from '@onyx-sync/client'
import { lazy, Suspense } from 'react'

const FailedAdvice = lazy(() =>
  import('./failed-advice.js').then(({ FailedAdvice }) => ({ default: FailedAdvice })),
)

/** Where it stands why no chats are shown: seldom, so that its words come when they are needed. */
export function Failed({ error }: { readonly error: SyncError }) {
  return (
    <Suspense>
      <FailedAdvice error={error} />
    </Suspense>
  )
}

import type { SyncError } from '@onyx-sync/client'

const ADVICE: Partial<Record<SyncError['code'], { readonly title: string; readonly text: string }>> = {
  DATABASE_LOCKED: {
    title: 'Your chats are open in another tab',
    text: 'This browser, or a page without TLS, lets one tab at a time work with the database. Go on there, or close that tab and try again.',
  },
  DATABASE_UNREADABLE: {
    title: 'This browser keeps nothing for this page',
    text: 'Your chats live in the browser’s storage, and it can’t be used here: it may be switched off for this site, full, or not there in a private window. Nothing was opened, so that nothing seems to be kept that isn’t. Allow storage for this site, or open it in an ordinary window.',
  },
  STORE_FAILED: {
    title: 'This browser keeps nothing for this page',
    text: 'Storage is switched off for this site, or full. Nothing was opened, so that nothing seems to be kept that isn’t. Allow storage for this site, or make room, and try again.',
  },
  TAB_OUTDATED: {
    title: 'Another tab has another version of this page',
    text: 'Tabs share one database, and have to be of one version. Reload all of them; nothing was changed.',
  },
  DATABASE_NEWER: {
    title: 'A newer version has been here',
    text: 'The database was written by a newer version of this page. Reload to get it; nothing was changed.',
  },
}

/** Why no chats are shown, and what to do about it. */
export function FailedAdvice({ error }: { readonly error: SyncError }) {
  const { title, text } = ADVICE[error.code] ?? {
    title: 'Your chats can’t be opened',
    text: 'Nothing was changed. The details below say what is in the way.',
  }
  return (
    <main className="front" role="alert">
      <h1>{title}</h1>
      <p>{text}</p>
      <button type="button" className="button primary" onClick={() => location.reload()}>
        Try again
      </button>
      <details>
        <summary>Details</summary>
        <p>
          <code>{error.code}</code> {error.message}
        </p>
      </details>
    </main>
  )
}

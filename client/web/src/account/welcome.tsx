import { lazy, Suspense, useState } from 'react'
import { nostrExtension } from '../device/keychain.js'
import type { Session } from '../device/session.js'
import { Icon } from '../parts/icon.js'
import { Logo } from '../parts/logo.js'
import { orToast } from '../parts/toasts.js'

const KeyIn = lazy(() => import('./key-in.js').then(({ KeyIn }) => ({ default: KeyIn })))

/** The first thing that a person sees: one click, and they can write. */
export function Welcome({
  session,
  givenKey,
}: {
  readonly session: Session
  readonly givenKey: string | undefined
}) {
  const [isKeyIn, setKeyIn] = useState(givenKey !== undefined)
  const { keychain } = session
  if (isKeyIn) {
    return (
      <Suspense fallback={<p className="opening">One moment…</p>}>
        <KeyIn session={session} givenKey={givenKey} onBack={() => setKeyIn(false)} />
      </Suspense>
    )
  }
  return (
    <main className="front">
      <Logo />
      <h1>Chats that are yours, with or without a network</h1>
      <p>
        Everything you write is kept on this device first, and saved on the server when there is a connection.
        There is no sign-up: your account is a key, made here in one click.
      </p>
      <div className="choices">
        <button
          type="button"
          className="button primary large"
          onClick={() => void orToast(session.choose(keychain.takeKey()))}
        >
          Start chatting
        </button>
        <button type="button" className="button large" onClick={() => setKeyIn(true)}>
          <Icon name="key" /> I have a key
        </button>
        {nostrExtension() && (
          <button
            type="button"
            className="button large"
            onClick={() => void orToast(session.choose(keychain.takeExtension()))}
          >
            Use my Nostr extension
          </button>
        )}
      </div>
      <p className="aside">
        <a href="/two">
          <Icon name="columns" size={16} />
          See two devices side by side
        </a>
        , and watch edits made offline come together.
      </p>
    </main>
  )
}

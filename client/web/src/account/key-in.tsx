import { type Derivation, secretKeyFromMnemonic } from '@onyx-sync/client'
import { type FormEvent, useId, useState } from 'react'
import type { Session } from '../device/session.js'
import { readSecretKey } from './key-text.js'

/** Brings an account in: by its secret key, or by the words that stand for it. */
export function KeyIn({
  session,
  givenKey,
  onBack,
}: {
  readonly session: Session
  readonly givenKey: string | undefined
  readonly onBack: () => void
}) {
  const [text, setText] = useState(givenKey ?? '')
  const [derivation, setDerivation] = useState<Derivation>('nip06')
  const [problem, setProblem] = useState('')
  const [fieldId, hintId] = [useId(), useId()]
  const isMnemonic = text.trim().split(/\s+/).length >= 12

  async function bringIn(event: FormEvent) {
    event.preventDefault()
    try {
      const secretKey = isMnemonic
        ? secretKeyFromMnemonic(text.toLowerCase(), derivation)
        : readSecretKey(text)
      await session.choose(session.keychain.takeKey(secretKey))
    } catch (error) {
      setProblem((error as Error).message)
    }
  }

  return (
    <main className="front">
      <h1>{givenKey === undefined ? 'Bring your account in' : 'Bring this account to this device?'}</h1>
      <p id={hintId}>
        {givenKey === undefined
          ? 'Paste your secret key (nsec1…) or your 12 words. It stays in this browser and is never sent.'
          : 'Another device shared its secret key with you. With it, this device has the same chats. The key stays in this browser and is never sent.'}
      </p>
      <form onSubmit={(event) => void bringIn(event)}>
        <label htmlFor={fieldId}>Secret key or words</label>
        <textarea
          id={fieldId}
          className="field secret"
          rows={3}
          value={text}
          aria-describedby={hintId}
          aria-invalid={problem !== ''}
          autoCapitalize="none"
          autoComplete="off"
          autoCorrect="off"
          spellCheck={false}
          // biome-ignore lint/a11y/noAutofocus: the one field of the page that its user has just asked for
          autoFocus
          onChange={(event) => {
            setText(event.target.value)
            setProblem('')
          }}
        />
        {isMnemonic && (
          <fieldset className="options">
            <legend>Where are the words from?</legend>
            <label>
              <input
                type="radio"
                name="derivation"
                checked={derivation === 'nip06'}
                onChange={() => setDerivation('nip06')}
              />
              Most Nostr apps (NIP-06)
            </label>
            <label>
              <input
                type="radio"
                name="derivation"
                checked={derivation === 'onyx'}
                onChange={() => setDerivation('onyx')}
              />
              The Onyx app
            </label>
          </fieldset>
        )}
        <p className="problem-text" role="alert">
          {problem}
        </p>
        <div className="choices">
          <button type="submit" className="button primary large" disabled={text.trim() === ''}>
            Bring it in
          </button>
          <button type="button" className="button large" onClick={onBack}>
            Back
          </button>
        </div>
      </form>
    </main>
  )
}

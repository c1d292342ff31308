import { useChats, useSyncStatus } from '@onyx-sync/client/react'
import { npubEncode } from 'nostr-tools/nip19'
import { useEffect, useRef, useState } from 'react'
import type { Keychain } from '../device/keychain.js'
import type { Device } from '../device/open-device.js'
import { Logo } from '../parts/logo.js'
import { counted, shortKey } from '../parts/words.js'
import { type CheckedEvent, checkEvents } from './checked-event.js'
import { EventTable } from './event-table.js'
import { readEvents } from './read-events.js'

/** What the server has of one's own, checked by the page itself, and what this device has still to send. */
export function Inspector({ device, keychain }: { readonly device: Device; readonly keychain: Keychain }) {
  const { client, account, url } = device
  const status = useSyncStatus()
  const [events, setEvents] = useState<readonly CheckedEvent[]>([])
  const [state, setState] = useState<'idle' | 'reading' | 'done'>('idle')
  const [problem, setProblem] = useState('')
  const reading = useRef<AbortController>(undefined)
  useEffect(() => () => reading.current?.abort(), [])

  async function read() {
    const controller = new AbortController()
    reading.current = controller
    setState('reading')
    setEvents([])
    setProblem('')
    let checking = Promise.resolve()
    try {
      const signer = await keychain.signer(account)
      await readEvents(
        url,
        signer,
        (page) => {
          checking = checking
            .then(() => checkEvents(page))
            .then((checked) => setEvents((before) => [...before, ...checked]))
        },
        controller.signal,
      )
      await checking
    } catch (error) {
      setProblem((error as Error).message)
    }
    setState('done')
  }

  const refused = status.refused === 0 ? [] : client.refused()
  const bad = events.filter(({ isGenuine }) => !isGenuine).length

  return (
    <main className="inspect">
      <header className="two-head">
        <Logo />
        <h1>Inspector</h1>
        <span className="spacer" />
        <a className="button" href="/">
          To your chats
        </a>
      </header>
      <section>
        <h2>This device</h2>
        <dl className="facts">
          <dt>Account</dt>
          <dd>
            <code>{npubEncode(account.pubkey)}</code>
          </dd>
          <dt>Server</dt>
          <dd>
            <code>{url}</code> {status.connection}
          </dd>
          <dt>Not saved yet</dt>
          <dd>{client.unsaved()?.message ?? 'nothing'}</dd>
          <dt>Refused</dt>
          <dd>
            {refused.length === 0
              ? 'nothing'
              : refused.map(({ id, lane, reason }) => (
                  <span key={id}>
                    <code>{lane}</code> {reason}
                    <br />
                  </span>
                ))}
          </dd>
          <dt>Position in the server’s stream</dt>
          <dd>
            <code>{status.cursor.slice(0, 24) || 'none yet'}</code>
          </dd>
        </dl>
      </section>
      <section>
        <h2>On the server</h2>
        <p>
          Everything of yours that the server keeps, read on a connection of its own, as any Nostr client can.
          This page computes every id and checks every signature itself.
        </p>
        <div className="choices">
          <button
            type="button"
            className="button primary"
            disabled={state === 'reading'}
            onClick={() => void read()}
          >
            {state === 'done' ? 'Read again' : 'Read my events'}
          </button>
        </div>
        <p role="status">
          {state !== 'idle' &&
            `${counted(events.length, 'event')}${state === 'reading' ? ' so far' : ''}; ${bad === 0 ? 'every signature is right' : `${bad} are not what their author signed`}.`}
        </p>
        <p className="problem-text" role="alert">
          {problem}
        </p>
        <Documents events={events} owner={account.pubkey} />
      </section>
    </main>
  )
}

/** The events, by the documents that they belong to. */
function Documents({ events, owner }: { readonly events: readonly CheckedEvent[]; readonly owner: string }) {
  const { chats } = useChats({ includeDeleted: true })
  const titles = new Map(chats.map(({ address, title }) => [address, title || 'Untitled']))
  titles.set(`10001:${owner}:`, 'Settings')
  titles.set('training', 'Training data')
  const names = [...new Set(events.map(({ document }) => document))]
  return names.map((name) => {
    const own = events.filter(({ document }) => document === name)
    const bytes = own.reduce((sum, event) => sum + event.bytes, 0)
    const authors = [...new Set(own.map(({ pubkey }) => pubkey))]
    const who = authors.map((pubkey) => (pubkey === owner ? 'you' : shortKey(npubEncode(pubkey)))).join(', ')
    return (
      <details className="fold" key={name}>
        <summary>
          <strong>{titles.get(name) ?? name}</strong>
          <span className="fold-note">{counted(own.length, 'event')}</span>
          <span className="fold-note">{bytes.toLocaleString()} bytes</span>
          <span>by {who}</span>
        </summary>
        <EventTable events={own} owner={owner} />
      </details>
    )
  })
}

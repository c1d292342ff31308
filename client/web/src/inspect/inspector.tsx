import { useSyncStatus } from '@onyx-sync/client/react'
import { lazy, Suspense, useRef } from 'react'
import { Logo } from '../parts/logo.js'
import { Switch } from '../parts/switch.js'
import { useStore } from '../parts/use-store.js'
import { syncWords } from '../sync/sync-words.js'
import { DocumentsView } from './documents-view.js'
import { useInspected } from './inspected.js'
import { useInspectRoute } from './route.js'

const DocumentView = lazy(() =>
  import('./document-view.js').then(({ DocumentView }) => ({ default: DocumentView })),
)
const OutboxView = lazy(() => import('./outbox-view.js').then(({ OutboxView }) => ({ default: OutboxView })))
const TrafficView = lazy(() =>
  import('./traffic-view.js').then(({ TrafficView }) => ({ default: TrafficView })),
)
const OperatorView = lazy(() =>
  import('./operator-view.js').then(({ OperatorView }) => ({ default: OperatorView })),
)

const VIEWS = [
  { view: 'documents', label: 'Documents' },
  { view: 'outbox', label: 'Outbox' },
  { view: 'traffic', label: 'Wire' },
  { view: 'operator', label: 'Operator' },
] as const

/** What this device and its server have, and what goes between them; of its own account only. */
export function Inspector() {
  const { network } = useInspected()
  const status = useSyncStatus()
  const isOn = useStore(network, () => network.isOn)
  const route = useInspectRoute()
  const content = useRef<HTMLElement>(null)
  const current = route.view === 'document' ? 'documents' : route.view
  const { tone, text } = syncWords(status, isOn, Date.now())

  return (
    <div className="inspect">
      {/* No link: the part of the address behind # says what is shown. */}
      <button type="button" className="skip" onClick={() => content.current?.focus()}>
        Skip to the content
      </button>
      <header className="inspect-head">
        <Logo />
        <h1>Inspector</h1>
        <span className="inspect-state" data-tone={tone}>
          {text}
        </span>
        <span className="spacer" />
        <Switch label="Network" isOn={isOn} onChange={network.set} />
        <a className="button small" href={`/${location.search}`}>
          To your chats
        </a>
      </header>
      <nav className="inspect-nav" aria-label="Inspector">
        {VIEWS.map(({ view, label }) => (
          <a key={view} href={`#/${view}`} aria-current={view === current ? 'page' : undefined}>
            {label}
          </a>
        ))}
      </nav>
      <main className="inspect-content" ref={content} tabIndex={-1}>
        <Suspense fallback={<p role="status">One moment…</p>}>
          {route.view === 'documents' && <DocumentsView />}
          {route.view === 'document' && (
            <DocumentView key={route.address} address={route.address} part={route.part} />
          )}
          {route.view === 'outbox' && <OutboxView />}
          {route.view === 'traffic' && <TrafficView />}
          {route.view === 'operator' && <OperatorView />}
        </Suspense>
      </main>
    </div>
  )
}

import { SyncError } from '@onyx-sync/shared'
import type { SyncClient } from '../client-api.js'
import type { Device } from '../device-api.js'
import type { TabPorts } from '../ports/tabs.js'
import type { TabBus } from './bus.js'
import { createHostCalls } from './host-calls.js'
import { createHostDocuments } from './host-documents.js'
import { createHostPresence } from './host-presence.js'
import { createHostState } from './host-state.js'
import { createJoinedTab, type JoinedTab, noteAnswer } from './joined-tab.js'
import { type Envelope, readForHost, TAB_LOCK, type ToHost, toWireError } from './protocol.js'
import type { StateHere } from './remote-state.js'

/** How many times a tab has led with this database. */
const META_TERM = 'tabTerm'

/** What serves all tabs from the one that has the database. */
export interface TabHost {
  /**
   * Answers nobody any more. Resolves when another tab may lead: after the
   * account was logged out not before the others know that they have nothing to lead, or two seconds are over.
   */
  stop(): Promise<void>
  /** How things are for one of the tabs, now. */
  look(tab: string): StateHere
}

export interface TabHostParts {
  readonly device: Device
  /** What an app would see of it. Whoever opened it closes it; logging out does so before. */
  readonly client: SyncClient
  readonly bus: TabBus
  readonly ports: TabPorts
  /** Names this leading: random, never used before. */
  readonly term: string
  /** Which leading of the database it is. */
  readonly count: number
}

/** How long tabs may take to hear that the account was logged out. Milliseconds. */
const OVER_MS = 2_000

/** Counts this leading, durably. Resolves also where the disk refuses that. */
export async function countTerm({ meta, documents, noteProblem }: Device): Promise<number> {
  const count = (Number(meta[META_TERM]) || 0) + 1
  documents.journal.add({ meta: { [META_TERM]: String(count) } })
  await documents.journal.flush().catch(noteProblem)
  return count
}

/** Begins to serve: all tabs, this one included, are told, and join. */
export function createTabHost({ device, client, bus, ports, term, count }: TabHostParts): TabHost {
  const tabs = new Map<string, JoinedTab>()
  let connects = false
  let isStopped = false
  /** Ends when the others are gone, once the account was logged out. */
  let ending: { readonly ended: Promise<void>; look(): void } | undefined

  const state = createHostState({
    device,
    connects: () => connects,
    seen: () =>
      Object.fromEntries([...tabs].map(([id, { edits, local }]) => [id, { edits: [...edits], local }])),
    post: (push) => bus.post({ type: 'push', term, push }),
  })
  const documents = createHostDocuments(device, (push) => {
    state.tell()
    bus.post({ type: 'push', term, push })
  })
  const presence = createHostPresence(device.presence, (push) => bus.post({ type: 'push', term, push }))
  const calls = createHostCalls({
    device,
    client,
    documents,
    presence,
    connect(isOn) {
      connects = isOn
      if (isOn) device.session?.start()
      else device.session?.stop()
      state.tell()
    },
    onStreams: () => void sweep(),
    over() {
      bus.post({ type: 'over', term })
      halt()
      ending = waitForOthers()
    },
  })

  function waitForOthers(): NonNullable<typeof ending> {
    let end = () => {}
    const timer = device.clock.setTimeout(() => end(), OVER_MS)
    const ended = new Promise<void>((resolve) => {
      end = () => {
        device.clock.clearTimeout(timer)
        stopListening()
        resolve()
      }
    })
    const look = () => {
      if ([...tabs.keys()].every((id) => id === bus.me)) end()
    }
    look()
    return { ended, look }
  }

  function attach({ from, pubkey, connects: wants, streams }: Envelope<ToHost & { type: 'attach' }>): void {
    if (pubkey !== device.pubkey) {
      const error = new SyncError(
        'IDENTITY_MISMATCH',
        `this database belongs to ${device.pubkey}, the signer of this tab to ${pubkey}: use a database of its own for each account`,
      )
      bus.post({ type: 'refused', term, error: toWireError(error) }, from)
      return
    }
    if (!tabs.has(from)) {
      const tab = createJoinedTab(from, streams)
      tabs.set(from, tab)
      // The tab's own lock: it is to be had when the tab has gone, however it went.
      ports.lock(`${TAB_LOCK}${from}`, tab.waiting.signal).then(
        (letGo) => {
          letGo()
          forget(from)
        },
        () => {},
      )
    }
    if (wants && device.session !== undefined && !connects) {
      connects = true
      device.session.start()
    }
    bus.post({ type: 'attached', term, push: state.whole() }, from)
    void sweep()
  }

  function forget(id: string): void {
    const tab = tabs.get(id)
    if (tab === undefined) return
    tab.waiting.abort()
    tabs.delete(id)
    ending?.look()
    if (isStopped) return
    documents.forget(id)
    presence.forget(id)
    void sweep()
  }

  /** Once it is known what each tab is writing: marks as interrupted what nobody is. */
  async function sweep(): Promise<void> {
    const held = await ports.held()
    const isKnown = held.every((name) => !name.startsWith(TAB_LOCK) || tabs.has(name.slice(TAB_LOCK.length)))
    if (!isKnown || isStopped) return
    const isLive = (rowId: string) => [...tabs.values()].some(({ streams }) => streams.has(rowId))
    await device.streams.markInterrupted(isLive).catch(device.noteProblem)
  }

  async function answer({ from, id, method, args }: Envelope<ToHost & { type: 'call' }>): Promise<void> {
    const tab = tabs.get(from)
    if (tab === undefined) return
    let value: unknown
    let error: ReturnType<typeof toWireError> | null = null
    try {
      value = await calls.run(tab, id, method, args)
    } catch (thrown) {
      error = toWireError(thrown)
    }
    if (isStopped) return
    // What follows from it is there before it: a caller that goes on finds what it did.
    state.tell()
    bus.post({ type: 'answer', term, id, value, error }, from)
    if (calls.isKept(method)) noteAnswer(tab, id, error?.code)
  }

  /** Begins to serve nobody any more. */
  function halt(): void {
    if (isStopped) return
    isStopped = true
    state.stop()
    presence.stop()
    documents.stop()
  }

  const stopListening = bus.listen((raw) => {
    const message = readForHost(raw)
    if (message === undefined) return
    if (message !== 'other version' && message.type === 'bye') forget(message.from)
    else if (isStopped) return
    else if (message === 'other version') bus.post({ type: 'lead', term, count })
    else if (message.type === 'hello') bus.post({ type: 'lead', term, count }, message.from)
    else if (message.term !== term) return
    else if (message.type === 'attach') attach(message)
    else void answer(message)
  })

  bus.post({ type: 'lead', term, count })
  return {
    look(tab) {
      const { edits = [], local = 0 } = tabs.get(tab) ?? {}
      return {
        status: device.status.read(),
        unwritten: device.documents.journal.unwrittenLanes(),
        seen: { edits: [...edits], local },
      }
    },
    async stop() {
      halt()
      if (ending === undefined) stopListening()
      else await ending.ended
      for (const { waiting } of tabs.values()) waiting.abort()
    },
  }
}

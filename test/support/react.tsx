import { createMemoryStore, type SyncClient, type SyncClientOptions } from '@onyx-sync/client'
import { createNodeTransport } from '@onyx-sync/client/node'
import { SyncProvider, type SyncProviderProps } from '@onyx-sync/client/react'
import { cleanup, configure, render, renderHook } from '@testing-library/react'
import { PlainKeySigner } from 'nostr-tools/signer'
import { type ReactNode, StrictMode } from 'react'
import { afterEach } from 'vitest'
import { afterThisTest } from './after-test.js'
import { testKey } from './events.js'
import { openDevice } from './tab-client.js'

// Waiting ends when what is waited for is there; how long that takes is up to the machine.
configure({ asyncUtilTimeout: 20_000 })
afterEach(cleanup)

/** A device with a store in memory; closed after the test. `key` says of which account. */
export async function openClient(
  options: Partial<SyncClientOptions> & { readonly key?: number } = {},
): Promise<SyncClient> {
  const { key = 1, ...rest } = options
  const client = await openDevice({
    store: createMemoryStore(),
    signer: new PlainKeySigner(testKey(key).secretKey),
    transport: createNodeTransport(),
    ...rest,
  })
  afterThisTest(() => client.close())
  return client
}

type Given = SyncProviderProps['client']

/** Renders below a provider, in strict mode. */
export function renderWith(client: Given, children: ReactNode) {
  const within = (ui: ReactNode) => (
    <StrictMode>
      <SyncProvider client={client}>{ui}</SyncProvider>
    </StrictMode>
  )
  const rendered = render(within(children))
  return { ...rendered, show: (ui: ReactNode) => rendered.rerender(within(ui)) }
}

/** Runs a hook below a provider, in strict mode. */
export function hookWith<R, P = undefined>(client: Given, hook: (props: P) => R, initialProps?: P) {
  return renderHook(hook, {
    ...(initialProps === undefined ? {} : { initialProps }),
    wrapper: ({ children }: { children: ReactNode }) => (
      <StrictMode>
        <SyncProvider client={client}>{children}</SyncProvider>
      </StrictMode>
    ),
  })
}

/** A client that counts what is open of it, and how often it was opened. */
export function counting(client: SyncClient) {
  const open = { chats: 0, views: 0, listeners: 0, presences: 0 }
  const opened = { chats: 0, views: 0, presences: 0 }

  function ending(what: keyof typeof open, end: () => unknown): () => void {
    open[what]++
    let isOver = false
    return () => {
      if (!isOver) open[what]--
      isOver = true
      end()
    }
  }

  function countView<V extends { subscribe(listener: () => void): () => void }>(view: V): V {
    return {
      ...view,
      subscribe(listener) {
        opened.views++
        return ending('views', view.subscribe(listener))
      },
    }
  }

  const chats: SyncClient['chats'] = {
    ...client.chats,
    watch: (options) => countView(client.chats.watch(options)),
    messages: (chat, options) => countView(client.chats.messages(chat, options)),
    watchSearch: (query, options) => countView(client.chats.watchSearch(query, options)),
    async open(id) {
      opened.chats++
      const chat = await client.chats.open(id)
      const release = ending('chats', chat.release)
      return new Proxy(chat, {
        get: (target, key) => (key === 'release' ? release : Reflect.get(target, key)),
      })
    },
  }
  const settings = { ...client.settings, watch: () => countView(client.settings.watch()) }
  const overrides: Partial<SyncClient> = {
    chats,
    settings: { ...settings, typed: client.settings.typed },
    onStatus: (listener) => ending('listeners', client.onStatus(listener)),
    presence(address) {
      opened.presences++
      const presence = client.presence(address)
      const leave = ending('presences', presence.leave)
      return new Proxy(presence, {
        get: (target, key) => (key === 'leave' ? leave : Reflect.get(target, key)),
      })
    },
  }
  const counted = new Proxy(client, {
    get: (target, key) => (key in overrides ? Reflect.get(overrides, key) : Reflect.get(target, key)),
  })
  return { client: counted, open, opened }
}

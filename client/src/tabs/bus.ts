import type { TabChannel, TabPorts } from '../ports/tabs.js'
import { type Envelope, TAB_PROTOCOL, type ToHost, type ToTab } from './protocol.js'

/** Messages between the tabs, this one included: the tab that leads is one of those it leads. */
export interface TabBus {
  readonly me: string
  /** To one tab, or to all. What is for this tab comes later in the same tick, and in order. */
  post(message: ToHost | ToTab, to?: string): void
  /** Hears what is for this tab or for all, unchecked. @returns a function that ends it */
  listen(listener: (message: unknown) => void): () => void
  close(): void
}

export function createTabBus(ports: TabPorts, me: string): TabBus {
  const listeners = new Set<(message: unknown) => void>()
  let isClosed = false
  const channel: TabChannel = ports.join((message) => {
    const to = (message as Partial<Envelope<object>> | null)?.to
    if (to === null || to === me) deliver(message)
  })

  function deliver(message: unknown): void {
    if (!isClosed) for (const listener of [...listeners]) listener(message)
  }

  return {
    me,
    post(message, to) {
      if (isClosed) return
      const sealed = { ...message, onyx: TAB_PROTOCOL, from: me, to: to ?? null }
      if (to !== me) channel.post(sealed)
      if (to === undefined || to === me) queueMicrotask(() => deliver(sealed))
    },
    listen(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close() {
      isClosed = true
      channel.close()
    },
  }
}

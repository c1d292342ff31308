/** Whether a newer build of this page waits to be used, and how to use it. */
let waiting: ServiceWorker | undefined
const listeners = new Set<() => void>()

/** How often an open page asks whether there is a newer one. Milliseconds. */
const ASK_EVERY_MS = 30 * 60_000

export const appUpdate = {
  isReady: () => waiting !== undefined,
  /** Loads the page again, in the newer build. */
  use(): void {
    navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true })
    waiting?.postMessage('use-this-version')
  },
  subscribe(listener: () => void) {
    listeners.add(listener)
    return () => listeners.delete(listener)
  },
}

function note(worker: ServiceWorker | null): void {
  if (worker === null || navigator.serviceWorker.controller === null) return
  waiting = worker
  for (const listener of [...listeners]) listener()
}

/**
 * Lets the page open without a network from the second time on. Where the browser has no service workers, or the page
 * isn't from a secure origin, it needs the server to open, and everything else works.
 */
export function registerServiceWorker(): void {
  if (import.meta.env.DEV || !('serviceWorker' in navigator)) return
  navigator.serviceWorker.register('/sw.js').then(
    (registration) => {
      note(registration.waiting)
      registration.addEventListener('updatefound', () => {
        const worker = registration.installing
        worker?.addEventListener('statechange', () => worker.state === 'installed' && note(worker))
      })
      setInterval(() => void registration.update().catch(() => {}), ASK_EVERY_MS)
    },
    // Such as in a private window: there is nothing to mend, and nothing lost but this.
    () => {},
  )
}

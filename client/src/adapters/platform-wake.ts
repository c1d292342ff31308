/** The parts of a browser or of React Native that tell of the network and of the app's being looked at. */
export interface WakeSources {
  /** The browser's `window`, for `online`. */
  readonly window?: EventTargetLike
  /** The browser's `document`, for `visibilitychange`. */
  readonly document?: EventTargetLike & { readonly visibilityState?: string }
  /** React Native's `AppState`. */
  readonly appState?: {
    addEventListener(type: 'change', listener: (state: string) => void): { remove(): void }
  }
  /** `@react-native-community/netinfo`, where an app has it. */
  readonly netInfo?: {
    addEventListener(listener: (state: { readonly isConnected: boolean | null }) => void): () => void
  }
}

interface EventTargetLike {
  addEventListener(type: string, listener: () => void): void
  removeEventListener(type: string, listener: () => void): void
}

/**
 * Calls `wake` whenever the app comes to the foreground or the network comes back. Without `sources` those of
 * a browser are used, where there are any; React Native hands in its `AppState` and, if present, `NetInfo`.
 * @returns a function that ends it
 */
export function wakeOnPlatformEvents(wake: () => void, sources: WakeSources = browserSources()): () => void {
  const endings: (() => void)[] = []
  const { window, document, appState, netInfo } = sources

  function listen(target: EventTargetLike | undefined, type: string, listener: () => void): void {
    if (target === undefined) return
    target.addEventListener(type, listener)
    endings.push(() => target.removeEventListener(type, listener))
  }

  listen(window, 'online', wake)
  listen(document, 'visibilitychange', () => {
    if (document?.visibilityState === 'visible') wake()
  })
  if (appState !== undefined) {
    const subscription = appState.addEventListener('change', (state) => {
      if (state === 'active') wake()
    })
    endings.push(() => subscription.remove())
  }
  if (netInfo !== undefined) {
    // The first call tells the state at hand, which is no change.
    let isConnected: boolean | null | undefined
    endings.push(
      netInfo.addEventListener((state) => {
        if (isConnected === false && state.isConnected === true) wake()
        isConnected = state.isConnected
      }),
    )
  }
  return () => {
    for (const end of endings.splice(0)) end()
  }
}

/** What a browser offers; nothing on Node and in React Native, which has a `window` without events. */
function browserSources(): WakeSources {
  const { window, document } = globalThis as { window?: unknown; document?: unknown }
  const isTarget = (value: unknown): value is EventTargetLike =>
    typeof (value as EventTargetLike | undefined)?.addEventListener === 'function'
  return {
    ...(isTarget(window) ? { window } : {}),
    ...(isTarget(document) ? { document } : {}),
  }
}

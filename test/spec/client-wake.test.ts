import { wakeOnPlatformEvents } from '@onyx-sync/client'
import { describe, expect, it } from 'vitest'

function createAppState() {
  const listeners = new Set<(state: string) => void>()
  return {
    listeners,
    addEventListener(_type: 'change', listener: (state: string) => void) {
      listeners.add(listener)
      return { remove: () => listeners.delete(listener) }
    },
  }
}

describe('waking with the platform', () => {
  it('[SES20] wakes when a browser is online again or its page is shown', () => {
    const window = new EventTarget()
    const document = Object.assign(new EventTarget(), { visibilityState: 'visible' })
    let wakes = 0
    const end = wakeOnPlatformEvents(() => wakes++, { window, document })
    window.dispatchEvent(new Event('online'))
    expect(wakes).toBe(1)
    document.dispatchEvent(new Event('visibilitychange'))
    expect(wakes).toBe(2)
    document.visibilityState = 'hidden'
    document.dispatchEvent(new Event('visibilitychange'))
    expect(wakes).toBe(2)
    end()
    window.dispatchEvent(new Event('online'))
    expect(wakes).toBe(2)
  })

  it('[SES21] wakes when a React Native app comes to the foreground or its network comes back', () => {
    const appState = createAppState()
    const network = new Set<(state: { isConnected: boolean | null }) => void>()
    const netInfo = {
      addEventListener(listener: (state: { isConnected: boolean | null }) => void) {
        network.add(listener)
        return () => {
          network.delete(listener)
        }
      },
    }
    let wakes = 0
    const end = wakeOnPlatformEvents(() => wakes++, { appState, netInfo })
    for (const listener of appState.listeners) listener('background')
    expect(wakes).toBe(0)
    for (const listener of appState.listeners) listener('active')
    expect(wakes).toBe(1)
    for (const isConnected of [true, false, null]) for (const listener of network) listener({ isConnected })
    expect(wakes).toBe(1)
    for (const isConnected of [false, true]) for (const listener of network) listener({ isConnected })
    expect(wakes).toBe(2)
    end()
    expect(appState.listeners.size + network.size).toBe(0)
  })

  it('[SES22] does nothing where there is nothing to listen to', () => {
    expect(() => wakeOnPlatformEvents(() => {})()).not.toThrow()
  })
})

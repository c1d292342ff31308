import { SyncError } from '@onyx-sync/client'
import { useEffect } from 'react'
import { useStore } from './use-store.js'

/** Something that has happened, and how to take it back. */
export interface Toast {
  readonly text: string
  readonly isProblem?: boolean
  readonly action?: { readonly label: string; run(): unknown }
}

/** How long it stays: time enough to read it and reach the button. Milliseconds. */
const SHOWN_MS = 10_000

let shown: (Toast & { readonly id: number }) | undefined
let count = 0
const listeners = new Set<() => void>()
const store = {
  subscribe(listener: () => void) {
    listeners.add(listener)
    return () => listeners.delete(listener)
  },
}

/** Shows it in place of the one before. */
export function toast(next: Toast | undefined): void {
  count++
  shown = next && { ...next, id: count }
  for (const listener of [...listeners]) listener()
}

/** Runs something, and shows in words why it failed, if it does. */
export async function orToast<T>(work: Promise<T> | undefined): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    toast({ text: problemWords(error), isProblem: true })
    return undefined
  }
}

function problemWords(error: unknown): string {
  if (error instanceof SyncError && error.code === 'STORE_FAILED')
    return 'This browser’s storage refuses it. It is in this page only, and tried again by itself.'
  return error instanceof Error ? error.message : String(error)
}

/** Where they appear; one at a time, read out by a screen reader. */
export function Toasts() {
  const current = useStore(store, () => shown)
  useEffect(() => {
    if (current === undefined) return undefined
    const timer = setTimeout(() => current === shown && toast(undefined), SHOWN_MS)
    return () => clearTimeout(timer)
  }, [current])
  return (
    <div className="toasts" role="status">
      {current && (
        <div className={current.isProblem ? 'toast problem' : 'toast'} key={current.id}>
          <span>{current.text}</span>
          {current.action && (
            <button
              type="button"
              className="link"
              onClick={() => {
                current.action?.run()
                toast(undefined)
              }}
            >
              {current.action.label}
            </button>
          )}
        </div>
      )}
    </div>
  )
}

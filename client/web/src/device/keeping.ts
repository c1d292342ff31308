import { type SyncClient, SyncError } from '@onyx-sync/client'

/** A text that the browser's storage refused, or that the tab with the database hasn't taken: it is in this page only. */
export interface Unkept {
  /** Of its chat. */
  readonly address: string
  readonly messageId: string
  readonly text: string
}

/** Looks after what storage refuses, as when it is full: shows it, tries again, and asks before the page goes. */
export interface Keeping {
  /**
   * Does an edit that holds a text of its user. Where storage refuses it, or it takes long, the text is among
   * {@link Keeping.unkept} until it is kept; resolves then. Rejects as the edit does with anything else, when nothing has
   * changed.
   */
  keep(what: Unkept, edit: () => Promise<unknown>): Promise<void>
  /** The same list until it changes. */
  unkept(): readonly Unkept[]
  /** Tries at once. */
  retry(): void
  subscribe(listener: () => void): () => void
  /** Lets go of everything: the account is left. */
  forget(): void
}

/** Between two tries: somebody may have made room. Milliseconds. */
const RETRY_MS = 3_000
/** What takes longer is said not to be kept yet. Milliseconds. */
const LONG_MS = 3_000
/** While one of these is in the way, what is done here is in this page only. */
const IN_THE_WAY: readonly (string | undefined)[] = ['STORE_FAILED', 'TAB_SILENT']

export function createKeeping(client: SyncClient): Keeping {
  const listeners = new Set<() => void>()
  const waiting = new Map<Unkept, () => void>()
  let unkept: readonly Unkept[] = []
  let timer: ReturnType<typeof setInterval> | undefined
  let isForgotten = false
  client.onStatus(look)

  function look(): void {
    const isRefused = !isForgotten && (waiting.size > 0 || IN_THE_WAY.includes(client.status.problem?.code))
    if (isRefused === (timer !== undefined)) return
    if (isRefused) {
      timer = setInterval(retry, RETRY_MS)
      addEventListener('beforeunload', ask)
    } else {
      clearInterval(timer)
      timer = undefined
      removeEventListener('beforeunload', ask)
    }
  }

  function show(): void {
    unkept = [...waiting.keys()]
    look()
    for (const listener of [...listeners]) listener()
  }

  function retry(): void {
    const tried = [...waiting]
    client.flush().then(
      () => {
        for (const [what, isKept] of tried) {
          waiting.delete(what)
          isKept()
        }
        show()
      },
      // The status says that it is refused still.
      () => {},
    )
  }

  return {
    async keep(what, edit) {
      const timer = setTimeout(() => {
        waiting.set(what, () => {})
        show()
      }, LONG_MS)
      try {
        await edit()
        if (waiting.delete(what)) show()
      } catch (error) {
        // It is in the document all the same, and goes with the next write that works.
        if (!(error instanceof SyncError) || error.code !== 'STORE_FAILED') {
          if (waiting.delete(what)) show()
          throw error
        }
        const kept = new Promise<void>((resolve) => waiting.set(what, resolve))
        show()
        await kept
      } finally {
        clearTimeout(timer)
      }
    },
    unkept: () => unkept,
    retry,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    forget() {
      isForgotten = true
      waiting.clear()
      show()
    },
  }
}

/** The browser asks whether the page may go, in words of its own. */
function ask(event: BeforeUnloadEvent): void {
  event.preventDefault()
}

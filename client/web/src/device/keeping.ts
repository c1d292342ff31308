import { type Chat, type SyncClient, SyncError } from '@onyx-sync/client'

/** A text that the browser's storage refused, or that the tab with the database hasn't taken: it is in this page only. */
export interface Unkept {
  readonly messageId: string
  readonly text: string
}

/** Looks after what storage refuses, as when it is full: shows it, tries again, and asks before the page goes. */
export interface Keeping {
  /**
   * Opens a chat and does an edit there that holds a text of its user. Where storage refuses it, or the two take long, the
   * text is among {@link Keeping.unkept} until it is kept; resolves then, with the chat, which its caller releases. Rejects
   * as opening does, and as the edit does with anything else than storage: nothing has changed then.
   */
  keep(what: Unkept, open: () => Promise<Chat>, edit: (chat: Chat) => Promise<unknown>): Promise<Chat>
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
  /** With what to call once it is kept; nothing where it is still under way. */
  const waiting = new Map<Unkept, (() => void) | undefined>()
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
          // What hasn't come to its document isn't kept by this, and says so itself when it is.
          if (isKept === undefined) continue
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
    async keep(what, open, edit) {
      const timer = setTimeout(() => {
        waiting.set(what, undefined)
        show()
      }, LONG_MS)
      let chat: Chat | undefined
      try {
        chat = await open()
        await edit(chat)
      } catch (error) {
        // Or it would take the place of what waits below.
        clearTimeout(timer)
        if (chat !== undefined && error instanceof SyncError && error.code === 'STORE_FAILED') {
          // It is in the document all the same, and goes with the next write that works.
          const kept = new Promise<void>((resolve) => waiting.set(what, resolve))
          show()
          await kept
          return chat
        }
        chat?.release()
        throw error
      } finally {
        clearTimeout(timer)
        if (waiting.delete(what)) show()
      }
      return chat
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

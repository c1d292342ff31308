import { useStore } from './use-store.js'

/** What is shown, as the address of the page says it behind its `#`. */
export interface Route {
  readonly view: 'home' | 'new' | 'chat'
  /** Id or address of the chat. */
  readonly chat?: string
  /** Place in the chat to be shown first, such as that of a message that was found. */
  readonly around?: number
}

const store = {
  subscribe(listener: () => void) {
    addEventListener('hashchange', listener)
    return () => removeEventListener('hashchange', listener)
  },
}

export function useRoute(): Route {
  return parseRoute(useStore(store, () => location.hash))
}

export function parseRoute(hash: string): Route {
  if (hash === '#/new') return { view: 'new' }
  const found = /^#\/chat\/([^?]+)(?:\?at=(\d+))?$/.exec(hash)
  if (found === null) return { view: 'home' }
  const around = found[2] === undefined ? {} : { around: Number(found[2]) }
  return { view: 'chat', chat: decodeURIComponent(found[1] as string), ...around }
}

export function chatHash(chat: string, around?: number): string {
  return `#/chat/${encodeURIComponent(chat)}${around === undefined ? '' : `?at=${around}`}`
}

/** What names a chat. */
interface Named {
  readonly id: string
  readonly address: string
  /** Whose it is. */
  readonly owner: string
}

/** The name of a chat in an address of the page: its id, or all of its address where it is somebody else's. */
export function chatName(chat: Named, pubkey: string): string {
  return chat.owner === pubkey ? chat.id : chat.address
}

/** Whether a name is that of a chat: others may have given one of theirs the same id. */
export function isNamed(chat: Named, name: string | undefined, pubkey: string): boolean {
  return name === chat.address || name === chatName(chat, pubkey)
}

import { useStore } from '../parts/use-store.js'

/** Parts of a document's page. */
export const DOCUMENT_PARTS = ['events', 'writers', 'timeline'] as const
export type DocumentPart = (typeof DOCUMENT_PARTS)[number]

/** What is shown, as the address of the page says it behind its `#`. */
export type InspectRoute =
  | { readonly view: 'documents' | 'outbox' | 'traffic' | 'operator' }
  | { readonly view: 'document'; readonly address: string; readonly part: DocumentPart }

const store = {
  subscribe(listener: () => void) {
    addEventListener('hashchange', listener)
    return () => removeEventListener('hashchange', listener)
  },
}

export function useInspectRoute(): InspectRoute {
  return parseInspectRoute(useStore(store, () => location.hash))
}

export function parseInspectRoute(hash: string): InspectRoute {
  const [, view = '', address = '', part] = hash.split('/')
  if (view === 'outbox' || view === 'traffic' || view === 'operator') return { view }
  if (view !== 'document') return { view: 'documents' }
  try {
    const known = DOCUMENT_PARTS.find((name) => name === part) ?? 'events'
    return { view, address: decodeURIComponent(address), part: known }
  } catch {
    return { view: 'documents' }
  }
}

export function documentHash(address: string, part: DocumentPart = 'events'): string {
  return `#/document/${encodeURIComponent(address)}/${part}`
}

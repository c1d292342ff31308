import type { Database } from '@nozbe/watermelondb'
import { SyncError, toSyncError } from '@onyx-sync/shared'
import {
  createContext,
  createElement,
  type FunctionComponent,
  type ReactElement,
  type ReactNode,
  useContext,
  useEffect,
  useMemo,
  useState,
} from 'react'
import type { SyncClient } from '../client-api.js'
import { DatabaseProvider } from './watermelon-bindings.js'

/** The client that hooks use: there, on its way (neither), or why it isn't there. */
export interface ProvidedClient {
  readonly client: SyncClient | undefined
  readonly error: SyncError | undefined
}

export interface SyncProviderProps {
  /**
   * The device that everything below shows; a promise of it while it is being opened. Until it is there hooks say
   * `loading`; where it can't be opened, `failed`. The app opens and closes it: the provider does neither.
   */
  readonly client: SyncClient | PromiseLike<SyncClient> | undefined
  /** Also gives this database to WatermelonDB's own bindings, `useDatabase` and `withObservables`. */
  readonly database?: Database
  readonly children?: ReactNode
}

const Context = createContext<ProvidedClient | undefined>(undefined)
const NOT_YET: ProvidedClient = { client: undefined, error: undefined }

/** Gives a client to the hooks below. */
export const SyncProvider: FunctionComponent<SyncProviderProps> = ({
  client: given,
  database,
  children,
}): ReactElement => {
  const [opened, setOpened] = useState<ProvidedClient & { readonly of: unknown }>()

  useEffect(() => {
    if (!isPromise(given)) return undefined
    let isOver = false
    const settle = (provided: ProvidedClient) => {
      if (!isOver) setOpened({ ...provided, of: given })
    }
    given.then(
      (client) => settle({ client, error: undefined }),
      (error) => settle({ client: undefined, error: toSyncError(error) }),
    )
    return () => {
      isOver = true
    }
  }, [given])

  const provided = useMemo((): ProvidedClient => {
    if (!isPromise(given)) return given === undefined ? NOT_YET : { client: given, error: undefined }
    return opened?.of === given ? opened : NOT_YET
  }, [given, opened])

  const within = createElement(Context.Provider, { value: provided }, children)
  return database === undefined ? within : createElement(DatabaseProvider, { database }, within)
}

/** What the next provider above gives. Throws `CONFIG_INVALID` where there is none. */
export function useProvidedClient(): ProvidedClient {
  const provided = useContext(Context)
  if (provided === undefined) {
    throw new SyncError(
      'CONFIG_INVALID',
      'hooks of @onyx-sync/client/react need a <SyncProvider client={…}> above',
    )
  }
  return provided
}

/** The client; undefined while it is being opened, and where it can't be. Throws `CONFIG_INVALID` without a provider. */
export function useSyncClient(): SyncClient | undefined {
  return useProvidedClient().client
}

function isPromise(given: SyncProviderProps['client']): given is PromiseLike<SyncClient> {
  return typeof (given as { then?: unknown } | undefined)?.then === 'function'
}

import type { Database } from '@nozbe/watermelondb'
import * as namespace from '@nozbe/watermelondb/react/DatabaseProvider.js'
import type { FunctionComponent, ReactNode } from 'react'

type Provider = FunctionComponent<{ readonly database: Database; readonly children?: ReactNode }>

/**
 * WatermelonDB's own provider, for `useDatabase` and `withObservables`. Bundlers give its default export as such, native
 * ESM in Node as the default of a default.
 */
export const DatabaseProvider: Provider = providerOf(namespace.default)

function providerOf(given: unknown): Provider {
  return typeof given === 'function' ? (given as Provider) : (given as { readonly default: Provider }).default
}

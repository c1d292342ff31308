import { type SyncError, toSyncError } from '@onyx-sync/shared'

/** How far something is that a hook shows. Nothing is ever thrown at a component: what fails is a value. */
export interface Progress {
  /** `loading` until it is there for the first time. `failed`: `error` says why; what was there before is still shown. */
  readonly status: 'loading' | 'ready' | 'failed'
  /** Its `code` may be compared; see docs/ERRORS.md. Only with `failed`. */
  readonly error: SyncError | undefined
}

/** The beginning of every result. */
export const LOADING = { status: 'loading', error: undefined } as const

/** @returns where a view stands that shows `value` */
export function progressOf(value: unknown, error: SyncError | undefined): Progress {
  if (error !== undefined) return failed(error)
  return value === undefined ? LOADING : { status: 'ready', error: undefined }
}

export function failed(error: unknown): { readonly status: 'failed'; readonly error: SyncError } {
  return { status: 'failed', error: toSyncError(error) }
}

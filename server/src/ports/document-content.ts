import type { FramedUpdate, Part } from '@onyx-sync/shared'

/** What an event brings to a document. */
export interface DocumentContent {
  readonly address: string
  readonly framed: FramedUpdate
  /** Yjs client ids under which it writes. */
  readonly clientIds: readonly number[]
  /** Which part of an edit it is; undefined for one that is whole. */
  readonly part: Part | undefined
}

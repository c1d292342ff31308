import {
  checkUpdate,
  DEFAULT_LIMITS,
  decodeContent,
  encodeBase64,
  encodeContent,
  encodeSyncMessage,
  hasPending,
  inflateBounded,
  KIND,
  splitUpdate,
} from '@onyx-sync/shared'
import * as Y from 'yjs'
import type { Target } from '../target.js'
import { sampleUpdates } from './samples.js'
import { accepted } from './wire.js'

export const updates: Target = {
  name: 'updates',
  percent: 20,
  summary: 'Yjs updates: what is taken can be decoded, applied, merged and written again',
  kind: 'bytes',
  modules: ['/shared/dist/update-check.js', '/shared/dist/update-scan.js', '/shared/dist/update-values.js'],
  seeds: sampleUpdates,
  run(input) {
    const summary = accepted(() => checkUpdate(input, KIND.chat, DEFAULT_LIMITS))
    if (summary === undefined) return
    const { structs } = Y.decodeUpdate(input)
    const written = new Set(
      structs.filter((struct) => !(struct instanceof Y.Skip)).map(({ id }) => id.client),
    )
    if (written.size !== summary.clientIds.length) throw new Error('other client ids than Yjs finds')
    const doc = new Y.Doc()
    Y.applyUpdate(doc, input)
    const state = Y.encodeStateAsUpdate(doc)
    // A state that is no longer taken could never be brought to anybody.
    checkUpdate(state, KIND.chat, DEFAULT_LIMITS)
    if (hasPending(doc) || hasStrangeNeighbours(input)) return
    const again = new Y.Doc()
    Y.applyUpdate(again, state)
    // Not by bytes: where a hostile update names neighbours in an order that they never had, Yjs cuts the same text
    // in other places.
    if (!Y.equalSnapshots(Y.snapshot(again), Y.snapshot(doc)) || contentsOf(again) !== contentsOf(doc)) {
      throw new Error('a state that is applied gives another state')
    }
  },
}

/**
 * Whether an item stands between neighbours of two different lists, which no editor writes: Yjs puts it into one of
 * them, and into none once the other is deleted. A known fault, see SPEC.
 */
function hasStrangeNeighbours(update: Uint8Array): boolean {
  // With nothing collected, so that all neighbours can be looked at.
  const doc = new Y.Doc({ gc: false })
  Y.applyUpdate(doc, update)
  const itemAt = (id: Y.ID | null) => (id === null ? undefined : Y.getItem(doc.store, id))
  for (const structs of doc.store.clients.values()) {
    for (const { origin, rightOrigin } of structs as Partial<Y.Item>[]) {
      const [left, right] = [itemAt(origin ?? null), itemAt(rightOrigin ?? null)]
      if (left instanceof Y.Item && right instanceof Y.Item && left.parent !== right.parent) return true
    }
  }
  return false
}

/** What the parts of a chat hold, as text: bytes and big numbers included. */
function contentsOf(doc: Y.Doc): string {
  const roots = [doc.getMap('metadata'), doc.getArray('messages')]
  return JSON.stringify(
    roots.map((root) => root.toJSON()),
    (_, value) => (typeof value === 'bigint' ? `${value}n` : value),
  )
}

export const splitting: Target = {
  name: 'splitting',
  percent: 10,
  summary: 'Yjs updates that are cut into parts',
  kind: 'bytes',
  modules: ['/shared/dist/split-update.js', '/shared/dist/struct-cutter.js', '/shared/dist/update-writer.js'],
  seeds: sampleUpdates,
  run(input) {
    const summary = accepted(() => checkUpdate(input, KIND.chat, DEFAULT_LIMITS))
    if (summary === undefined) return
    const parts = accepted(() => splitUpdate(input, 64))
    for (const part of parts ?? []) checkUpdate(part, KIND.chat, DEFAULT_LIMITS)
  },
}

export const contents: Target = {
  name: 'contents',
  percent: 20,
  summary: 'base64, raw DEFLATE and the sync message around an update',
  kind: 'bytes',
  modules: [
    '/shared/dist/update-codec.js',
    '/shared/dist/content-encoding.js',
    '/shared/dist/deflate.js',
    '/shared/dist/base64.js',
  ],
  seeds: () =>
    sampleUpdates().flatMap((update, index) => {
      const framed = { update, checkpoint: index % 2 === 0 }
      const { content, encoding } = encodeContent(framed)
      const packed = Buffer.from(content, 'base64')
      return [
        Uint8Array.of(encoding === 'yjs' ? 0 : 1, ...packed),
        Uint8Array.of(0, ...encodeSyncMessage(framed)),
      ]
    }),
  run(input) {
    const [how = 0] = input
    const bytes = input.subarray(1)
    if (how % 3 === 2) {
      accepted(() => decodeContent(String.fromCharCode(...bytes.subarray(0, 1_000)), 'yjs', DEFAULT_LIMITS))
      return
    }
    const encoding = how % 3 === 0 ? 'yjs' : 'yjs+deflate'
    accepted(() => decodeContent(encodeBase64(bytes), encoding, DEFAULT_LIMITS))
    if (encoding === 'yjs') return
    const maxBytes = 4_096
    const inflated = accepted(() => inflateBounded(bytes, maxBytes))
    if ((inflated?.byteLength ?? 0) > maxBytes) throw new Error('more bytes than allowed')
  },
}

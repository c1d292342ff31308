// Run by a Hermes VM: whole histories of the simulated world, and how fast the parts are there.
import './vm-globals.js'
import * as client from '@onyx-sync/client'
import { createUpdateTemplate, pureVerifier } from '@onyx-sync/shared'
import { simulate } from '@onyx-sync/testing'
import { finalizeEvent } from 'nostr-tools/pure'
import * as Y from 'yjs'

const SEEDS = 20
const secretKey = new Uint8Array(32).fill(7)

/** Milliseconds that one call takes, of some. */
function time(count, run) {
  const startedAt = Date.now()
  for (let index = 0; index < count; index++) run(index)
  return (Date.now() - startedAt) / count
}

/** A chat of many messages, as one update each. */
function chatUpdates(count) {
  const doc = new Y.Doc()
  const updates = []
  doc.on('update', (update) => updates.push(update))
  for (let index = 0; index < count; index++) {
    const text = new Y.Text(`message ${index}, of some words that somebody wrote`)
    doc.getArray('messages').push([
      new Y.Map([
        ['id', `m${index}`],
        ['role', 'user'],
        ['content', text],
      ]),
    ])
  }
  return updates
}

async function main() {
  const missing = Object.entries(client).filter(([, value]) => value === undefined)
  if (missing.length > 0)
    throw new Error(`the client exports nothing as ${missing.map(([name]) => name).join(', ')}`)

  const startedAt = Date.now()
  const { failures, events } = await simulate({ seeds: SEEDS })
  if (failures.length > 0) throw new Error(JSON.stringify(failures))
  const simulatedMs = Date.now() - startedAt

  const template = createUpdateTemplate({
    address: { kind: 30001, owner: 'a'.repeat(64), identifier: 'chat' },
    author: 'a'.repeat(64),
    framed: { update: chatUpdates(1)[0] },
    roster: { baseAt: 0, entries: [] },
    createdAt: 1_700_000_000,
  })
  const signed = []
  const signMs = time(10, (index) =>
    signed.push(finalizeEvent({ ...template, created_at: index }, secretKey)),
  )
  const checkMs = time(10, (index) => pureVerifier.verify(signed[index]))

  const updates = chatUpdates(2_000)
  const openMs = time(1, () => {
    const doc = new Y.Doc()
    doc.transact(() => {
      for (const update of updates) Y.applyUpdate(doc, update)
    })
    if (doc.getArray('messages').length !== 2_000) throw new Error('messages are missing')
  })
  print(JSON.stringify({ seeds: SEEDS, events, simulatedMs, signMs, checkMs, openMs }))
}

main().catch((error) => {
  print(String(error?.stack ?? error))
  throw error
})

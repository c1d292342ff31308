import { parseAddress, SyncError } from '@onyx-sync/shared'
import type { SyncClient, SyncClientOptions } from './client-api.js'
import { describeUnsaved, onDeviceProblem, refuseToLose, settled } from './client-status.js'
import { checkHoldChoice } from './core/hold-choice.js'
import type { Session } from './core/session-api.js'
import { openDevice } from './device.js'
import type { Device } from './device-api.js'
import type { CreateImporter } from './model/import/import-chats.js'
import { createTraining } from './model/training.js'
import { rareCode } from './rare-code.js'

/**
 * Opens a device. Rejects with `IDENTITY_MISMATCH` if the database belongs to another account (its data is
 * neither shown nor sent, trap C14), `KEY_INVALID`, `PLATFORM_LACKING`, `RANDOM_WEAK`, or `STORE_FAILED`.
 */
export async function createSyncClient(options: SyncClientOptions): Promise<SyncClient> {
  return createClientOf(await openDevice(options, rareCode), rareCode.createImporter)
}

/** What an app sees of a device that is open. */
export function createClientOf(device: Device, createImport: CreateImporter): SyncClient {
  const { pubkey, deviceId, clock, store, feed, local, documents, bodies, outbox, holding, presence } = device
  const { whenChecked } = device
  const { session, plain, settings, consent, chats, status, noteProblem, editState, rebuild, flush } = device
  let isClosed = false
  let closing: Promise<void> | undefined

  function requireSession(): Session {
    if (isClosed) throw new SyncError('CLIENT_CLOSED', 'this client is closed')
    if (session === undefined) throw new SyncError('VALUE_INVALID', 'this client has no url to connect to')
    return session
  }

  async function shut(keep: () => Promise<unknown>): Promise<void> {
    isClosed = true
    session?.stop()
    presence.close()
    documents.stop()
    device.stopChecking()
    // An edit that was begun may still be loading its document (trap C7).
    await keep().finally(() => store.close())
  }

  device.whenForged((rollBack) => {
    // Where that fails, it is still on the disk as unchecked, and looked at again when the device is opened.
    closing ??= shut(() => flush().catch(noteProblem).then(rollBack)).catch(noteProblem)
  })

  const client: SyncClient = {
    pubkey,
    deviceId,
    chats,
    settings,
    training: createTraining({
      chats,
      settings,
      consent,
      documents,
      outbox,
      store,
      feed,
      clock,
      whenChecked,
    }),
    openDocument: async (address) => {
      if (parseAddress(address) === undefined)
        throw new SyncError('VALUE_INVALID', `${JSON.stringify(address)} is no address of a document`)
      return bodies.open(address)
    },
    import: createImport({ pubkey, documents: bodies, local }),
    rebuild,
    presence(address) {
      if (isClosed) throw new SyncError('CLIENT_CLOSED', 'this client is closed')
      return presence.open(address)
    },
    get status() {
      return status.read()
    },
    onStatus: status.listen,
    connect: () => requireSession().start(),
    disconnect: () => session?.stop(),
    wake: () => session?.wake(),

    synced({ timeoutMs } = {}) {
      requireSession()
      const begun = settled(flush())
      const endHurry = outbox.hurry()
      return status
        .until(
          (now) => {
            if (begun.isSettled && now.isCaughtUp && now.unsent === 0) return true
            return now.connection === 'stopped' ? false : undefined
          },
          timeoutMs,
          begun.promise,
        )
        .finally(endHurry)
    },

    hold: async (choice) => holding.choose(checkHoldChoice(choice)),
    flush,
    lastEdit: (address) => ({ address, seq: outbox.lastEdit(address) }),
    stateOf: (edit) => (typeof edit === 'string' ? editState(edit) : outbox.stateOf(edit.address, edit.seq)),

    saved({ timeoutMs } = {}) {
      // What is not on this device's disk yet has no position that could be waited for.
      let awaited: ReadonlyMap<string, number> | undefined
      let isOver = false
      let endHurry: (() => void) | undefined
      const begun = flush().then(
        () => {
          awaited = outbox.unsavedPositions()
          if (!isOver) endHurry = outbox.hurry(awaited)
        },
        () => {},
      )
      return status
        .until(
          () => {
            if (awaited === undefined) return undefined
            const states = [...awaited].map(([lane, seq]) => outbox.stateUpTo(lane, seq))
            if (states.includes('refused')) return false
            return states.every((state) => state === 'saved') ? true : undefined
          },
          timeoutMs,
          // Where the disk refused them, they can't be said to be saved.
          begun.then(() => (awaited === undefined ? false : undefined)),
        )
        .finally(() => {
          isOver = true
          endHurry?.()
        })
    },

    unsaved: () =>
      describeUnsaved(status, () => [
        ...new Set([...outbox.unsavedPositions().keys(), ...documents.journal.unwrittenLanes()]),
      ]),

    onProblem: (listener) => onDeviceProblem(status, listener),

    refused: () => outbox.refused(),
    exportRefused: () => outbox.exportRefused(),
    retryRefused() {
      outbox.retryRefused()
      plain?.mode?.retry()
    },

    async logOut({ discard = false } = {}) {
      // What was only pushed into a stream counts too.
      await flush().catch(noteProblem)
      if (!discard) refuseToLose(client.unsaved())
      // What the disk refuses now may be lost, or is nothing that anybody wrote: the database is closed all the same.
      closing ??= shut(() => flush().catch(noteProblem))
      await closing
    },

    close() {
      closing ??= shut(flush)
      return closing
    },
  }
  return client
}

import { parseAddress, SyncError, toSyncError } from '@onyx-sync/shared'
import type { SyncClient } from '../client-api.js'
import { checkHoldChoice } from '../core/hold-choice.js'
import type { JournalChange } from '../core/journal.js'
import type { Device } from '../device-api.js'
import { createTraining } from '../model/training.js'
import type { QueryTable } from '../ports/store.js'
import type { HostDocuments } from './host-documents.js'
import type { HostPresence } from './host-presence.js'
import type { JoinedTab } from './joined-tab.js'
import {
  type Check,
  isBytes,
  isCount,
  isFlag,
  isListOf,
  isNullOr,
  isNumber,
  isOneOf,
  isRecord,
  isShape,
  isText,
  isTuple,
} from './shapes.js'

/** Answers what tabs ask. */
export interface HostCalls {
  /** Rejects with whatever the device says; `VALUE_INVALID` for what isn't a call, or not one of its shape. */
  run(tab: JoinedTab, id: number, method: string, args: readonly unknown[]): Promise<unknown>
  /** Whether that a call was answered means that everything its tab changed before is durable. */
  isKept(method: string): boolean
}

export interface HostCallsParts {
  readonly device: Device
  /** What an app would see of it; logging out closes it. */
  readonly client: SyncClient
  readonly documents: HostDocuments
  readonly presence: HostPresence
  connect(isOn: boolean): void
  /** What tabs are writing has changed. */
  onStreams(): void
  /** The device was logged out, and is closed. */
  over(): void
}

/** What was done of calls that would do more if they were done twice, and what came of them: JSON of pairs. */
const META_DONE = 'tabCalls'
/** Calls that tabs keep until they are answered. */
const KEPT: readonly string[] = ['edit', 'local', 'decide', 'submit', 'revoke', 'deleteForever', 'flush']
/** Calls that are remembered: a tab that asks again does so at once, and has few under way. */
const MAX_DONE = 256

const isTable: Check<QueryTable> = isOneOf('chats', 'messages', 'settings', 'training')
const isAddress: Check<string> = (value): value is string =>
  isText(value) && parseAddress(value) !== undefined
const isTimeout = isNullOr(isNumber)

/** A call with its arguments checked. `mark` makes that it was done part of what it does. */
type Run = (tab: JoinedTab, id: number, args: readonly unknown[]) => Promise<unknown>

export function createHostCalls(parts: HostCallsParts): HostCalls {
  const { device, client, documents, presence } = parts
  const { chats, local, store, holding, consent } = device
  const { settings, outbox, feed, clock } = device
  const training = createTraining({
    ...{ chats, settings, consent, outbox, store, feed, clock },
    documents: device.documents,
    whenChecked: device.whenChecked,
  })
  const done = new Map<string, string>(readDone(device.meta[META_DONE]))

  /** Does something once, though it is asked for again after the tab that led has gone. @returns what it gave then */
  async function once(
    key: string,
    run: (mark: (result: string) => JournalChange) => Promise<unknown>,
    again: (result: string) => Promise<unknown>,
  ): Promise<unknown> {
    const before = done.get(key)
    if (before !== undefined) {
      await device.documents.journal.flush()
      return again(before)
    }
    return run((result) => {
      done.set(key, result)
      for (const [oldest] of done) if (done.size > MAX_DONE) done.delete(oldest)
      return { meta: { [META_DONE]: JSON.stringify([...done]) } }
    })
  }

  function call<T extends readonly unknown[]>(
    checks: { [K in keyof T]: Check<T[K]> },
    run: (tab: JoinedTab, id: number, ...args: T) => unknown,
  ): Run {
    const isFitting = isTuple<T>(...checks)
    return async (tab, id, args) => {
      if (!isFitting(args))
        throw new SyncError('VALUE_INVALID', 'another tab asked for something in an unknown way')
      return run(tab, id, ...args)
    }
  }

  /** A call that changes something: {@link methods.flush} of the tab waits for it. */
  function change<T extends readonly unknown[]>(
    checks: { [K in keyof T]: Check<T[K]> },
    run: (tab: JoinedTab, id: number, ...args: T) => Promise<unknown>,
  ): Run {
    return call<T>(checks, (tab, id, ...args) => {
      const work = run(tab, id, ...args)
      tab.underWay.add(work)
      const ended = () => tab.underWay.delete(work)
      work.then(ended, ended)
      return work
    })
  }

  const timeout = (timeoutMs: number | null) => (timeoutMs === null ? {} : { timeoutMs })
  const maybe = <T>(value: T | null): T | undefined => value ?? undefined
  const toText = (value: unknown) => String(value)

  const methods: Readonly<Record<string, Run>> = {
    open: call<[string, Uint8Array | null]>(
      [isAddress, isNullOr(isBytes)],
      ({ id }, _, address, stateVector) => documents.open(id, address, stateVector),
    ),
    close: call<[string]>([isAddress], ({ id }, _, address) => documents.close(id, address)),
    edit: change<[string, Uint8Array]>([isAddress, isBytes], (tab, id, address, update) =>
      documents.edit(tab.id, address, update, () => {
        tab.edits.add(id)
      }),
    ),
    local: change<['read' | 'draft', string, string]>(
      [isOneOf('read', 'draft'), isAddress, isText],
      (tab, id, kind, address, value) => {
        tab.local = id
        if (kind === 'draft') local.setDraft(address, value)
        else local.setReadCount(address, Number(value))
        return device.documents.journal.flush()
      },
    ),
    flush: call<[]>([], async (tab) => {
      await Promise.allSettled(tab.underWay)
      await device.documents.flush()
    }),

    rows: call<[QueryTable, { column: string; equals: string } | null]>(
      [isTable, isNullOr(isShape({ column: isText, equals: isText }))],
      (_, __, table, where) => reading(store.loadRows(table, maybe(where))),
    ),
    messages: call<[string, number, number]>([isText, isCount, isCount], (_, __, address, from, through) =>
      reading(store.loadMessages(address, { from, through })),
    ),
    search: call<['chats' | 'messages', string, number, string | null, readonly string[]]>(
      [isOneOf('chats', 'messages'), isText, isCount, isNullOr(isText), isListOf(isText)],
      (_, __, table, query, limit, address, exclude) =>
        reading(
          store.searchRows(table, query, {
            limit,
            exclude: new Set(exclude),
            ...(address === null ? {} : { address }),
          }),
        ),
    ),

    decide: change<[string, readonly { pubkey: string; role: 'read' | 'write' | 'none' }[]]>(
      [isAddress, isListOf(isShape({ pubkey: isText, role: isOneOf('read', 'write', 'none') }))],
      (tab, id, address, decisions) =>
        once(
          `${tab.id} ${id}`,
          (mark) => device.bodies.decideMembers(address, decisions, mark('')),
          async () => undefined,
        ),
    ),
    submit: change<[string, string, number | null]>(
      [isText, isText, isNullOr(isNumber)],
      (tab, id, chat, messageId, quality) =>
        once(
          `${tab.id} ${id}`,
          (mark) => training.submitMarked(mark, chat, messageId, maybe(quality)),
          async (row) => (await training.list()).find((contribution) => contribution.id === row),
        ),
    ),
    revoke: change<[string]>([isText], (tab, id, contribution) =>
      once(
        `${tab.id} ${id}`,
        (mark) => training.revokeMarked(mark(''), contribution),
        async () => undefined,
      ),
    ),
    enforceConsent: change<[]>([], async () => {
      await consent.enforce()
      await device.documents.journal.flush()
    }),
    deleteForever: change<[string]>([isAddress], (_, __, address) => chats.deleteForever(address)),
    evict: call<[string]>([isAddress], (_, __, address) => chats.evict(address)),
    hold: change<[unknown]>([isRecordOrText], (_, __, choice) =>
      holding.choose(checkHoldChoice(choice as never)),
    ),
    rebuild: call<[]>([], () => device.rebuild()),

    log: call<[string]>([isAddress], (_, __, address) =>
      device.loadLog(parseAddress(address) as NonNullable<ReturnType<typeof parseAddress>>),
    ),
    authors: call<[string, readonly number[], boolean]>(
      [isAddress, isListOf(isCount), isFlag],
      async (_, __, address, ids, mayAsk) => [...(await device.authorsOf(address, ids, mayAsk))],
    ),

    connect: call<[boolean]>([isFlag], (_, __, isOn) => parts.connect(isOn)),
    wake: call<[]>([], () => client.wake()),
    synced: call<[number | null]>([isTimeout], (_, __, timeoutMs) => client.synced(timeout(timeoutMs))),
    saved: call<[number | null]>([isTimeout], (_, __, timeoutMs) => client.saved(timeout(timeoutMs))),
    retryRefused: call<[]>([], () => client.retryRefused()),
    logOut: call<[boolean]>([isFlag], async (_, __, discard) => {
      await client.logOut({ discard })
      parts.over()
    }),

    presence: call<[string]>([isAddress], ({ id }, _, address) => presence.open(id, address)),
    say: call<[string, Readonly<Record<string, unknown>> | null]>(
      [isAddress, isNullOr(isRecord)],
      ({ id }, _, address, state) => presence.say(id, address, state),
    ),
    leave: call<[string]>([isAddress], ({ id }, _, address) => presence.leave(id, address)),
    streams: call<[readonly string[]]>([isListOf(isText)], (tab, _, ids) => {
      tab.streams = new Set(ids.map(toText))
      parts.onStreams()
    }),
  }

  return {
    isKept: (method) => KEPT.includes(method),
    async run(tab, id, method, args) {
      const run = Object.hasOwn(methods, method) ? methods[method] : undefined
      if (run === undefined)
        throw new SyncError(
          'VALUE_INVALID',
          `another tab asked for ${JSON.stringify(method)}, which isn't there`,
        )
      return run(tab, id, args)
    },
  }
}

/** Whatever keeps a store from reading is its failure. */
function reading<T>(read: Promise<T>): Promise<T> {
  return read.catch((error) => {
    throw toSyncError(error, 'STORE_FAILED')
  })
}

function isRecordOrText(value: unknown): value is unknown {
  return isText(value) || isRecord(value)
}

function readDone(text: string | undefined): [string, string][] {
  try {
    const pairs: unknown = JSON.parse(text ?? '[]')
    return isListOf(isTuple<[string, string]>(isText, isText))(pairs)
      ? pairs.map(([key, value]) => [key, value])
      : []
  } catch {
    return []
  }
}

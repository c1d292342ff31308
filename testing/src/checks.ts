import type { SyncStatus } from '@onyx-sync/client'
import { type EventLog, verifyLog } from '@onyx-sync/server'
import {
  applyUpdate,
  DEFAULT_LIMITS,
  decodeContent,
  isDocumentKind,
  KIND,
  type Member,
  type NostrEvent,
  parseAddress,
  parseEncodingTag,
  tagValues,
} from '@onyx-sync/shared'
import * as Y from 'yjs'
import { checkCursorOnDisk } from './cursor-check.js'
import { fingerprint, readMessages } from './fingerprint.js'
import type { ReferenceModel } from './model.js'
import { quickVerifier } from './quick-keys.js'
import { readServer, type ServerContents } from './server-log.js'
import type { World, WorldDevice } from './world.js'

/** Looks on while a history runs. */
export interface Watch {
  world: World | undefined
  /**
   * Whether devices may have gone to a plain relay. What they saved there counts as saved, and what they bring from there to
   * the server is signed once more.
   */
  isMoving: boolean
  /** Whether edits may be signed twice: by devices that were set back, or by several that bring back the same. */
  mayRepeat: boolean
  readonly problems: string[]
  delivered(device: WorldDevice, text: string): void
  sent(device: WorldDevice, text: string): void
  status(device: WorldDevice, status: SyncStatus): void
  /** A call that wrote this piece of text has returned; of a chat, with its address. */
  kept(device: WorldDevice, token: string, chat: string | undefined): void
  /** A chat is about to be deleted for good, maybe: from now on what was kept in it may go. */
  deleting(chat: string): void
  serverCrashed(): void
  deviceCrashed(device: WorldDevice): void
  /** The server is down, and about to be set back: the time to look at what can't be told any more after that. */
  beforeReset(): Promise<void>
}

/**
 * Checks what must hold at every moment: nobody is sent what isn't theirs; what got `OK true` survives a
 * crash of the server; a device that says that nothing is unsent has everything on the server's disk.
 */
export function createWatch(): Watch {
  const problems: string[] = []
  /** Who may read a document: its owner, and whoever an event of the owner named at any time. */
  const readers = new Map<string, Set<string>>()

  let seenCommits = 0
  let seenResets = 0
  /** Address of the document, or '', of each event that was sent, by id. */
  const published = new Map<string, string>()
  const acknowledged = new Set<string>()
  /** Events that a deletion request named, which may have reached the server. */
  const takenBack = new Set<string>()
  /** Chats that somebody wanted deleted. */
  const deleting = new Set<string>()
  /** Pieces of text that the server's disk has, wherever they stand in an update. */
  const tokensOnServer = new Set<string>()
  /** What devices have kept, with the chat that it is in. */
  const tokensKept = new Map<WorldDevice, Map<string, string | undefined>>()

  /** What every commit so far states; a disk that was replaced begins anew. */
  function noteCommits({ serverDisk }: World): void {
    if (serverDisk.resets !== seenResets) {
      seenCommits = 0
      acknowledged.clear()
    }
    seenResets = serverDisk.resets
    for (; seenCommits < serverDisk.commits.length; seenCommits++) {
      for (const { json } of serverDisk.commits[seenCommits]?.events ?? []) {
        for (const token of tokensIn(JSON.parse(json) as NostrEvent)) tokensOnServer.add(token)
      }
      for (const { address, members, owner } of serverDisk.commits[seenCommits]?.documents ?? []) {
        const allowed = readers.get(address) ?? new Set([owner])
        readers.set(address, allowed)
        for (const member of members) allowed.add(member.pubkey)
      }
    }
  }

  const watch: Watch = {
    world: undefined,
    isMoving: false,
    mayRepeat: false,
    problems,
    delivered(device, text) {
      const message = JSON.parse(text) as unknown[]
      if (message[0] === 'OK' && message[2] === true && published.has(message[1] as string))
        acknowledged.add(message[1] as string)
      if (message[0] !== 'EVENT') return
      const event = message[2] as NostrEvent
      if (event.kind === KIND.state) {
        if (watch.world !== undefined) noteCommits(watch.world)
        for (const [name, address = ''] of event.tags) {
          if (name === 'a' && !readers.get(address)?.has(device.pubkey))
            problems.push(`${device.name} was sent the state of ${address}`)
        }
        return
      }
      if (watch.world !== undefined) noteCommits(watch.world)
      if (event.kind === KIND.training && event.pubkey !== device.pubkey)
        problems.push(`${device.name} was sent training data of another account`)
      if (event.kind === KIND.deletion) {
        for (const [name, address = ''] of event.tags) {
          if (name === 'a' && !readers.get(address)?.has(device.pubkey) && event.pubkey !== device.pubkey)
            problems.push(`${device.name} was sent the deletion of ${address}`)
        }
      }
      if (!isDocumentKind(event.kind)) return
      const address = addressOf(event)
      if (!readers.get(address)?.has(device.pubkey))
        problems.push(`${device.name} was sent an event of ${address}`)
    },
    sent(_device, text) {
      const message = JSON.parse(text) as unknown[]
      if (message[0] !== 'EVENT') return
      const event = message[1] as NostrEvent
      published.set(event.id, isDocumentKind(event.kind) ? addressOf(event) : '')
      if (event.kind === KIND.deletion) for (const id of tagValues(event, 'e')) takenBack.add(id)
    },
    kept(device, token, chat) {
      const tokens = tokensKept.get(device) ?? new Map<string, string | undefined>()
      tokensKept.set(device, tokens.set(token, chat))
    },
    deleting(chat) {
      deleting.add(chat)
    },
    status(device, { unsent, refused }) {
      const { world } = watch
      // After a reset the server may lack what it once had, and what was refused is not unsent.
      if (world === undefined || watch.isMoving || unsent > 0 || refused > 0 || world.serverDisk.resets > 0)
        return
      noteCommits(world)
      for (const [token, chat] of tokensKept.get(device) ?? []) {
        if (!tokensOnServer.has(token) && !deleting.has(chat ?? ''))
          problems.push(`${device.name} says that ${token} is saved, and it is not`)
      }
      tokensKept.delete(device)
    },
    async beforeReset() {
      const { world } = watch
      if (world === undefined || watch.isMoving || world.serverDisk.resets > 0) return
      await world.clock.settle()
      problems.push(...(await readServer(world, !watch.mayRepeat)).problems)
    },
    deviceCrashed(device) {
      const { world } = watch
      if (world === undefined || world.serverDisk.resets > 0) return
      void world.clock.settle().then(async () => problems.push(...(await checkCursorOnDisk(world, device))))
    },
    serverCrashed() {
      const { world } = watch
      if (world === undefined) return
      noteCommits(world)
      const { serverDisk } = world
      // What was deleted for good took its events along.
      const ids = [...acknowledged].filter(
        (id) => !deleting.has(published.get(id) ?? '') && !takenBack.has(id),
      )
      const { resets } = serverDisk
      // The disk may still be at work on what the crash left of it.
      void world.clock.settle().then(async () => {
        if (serverDisk.resets !== resets) return
        for (const [index, isThere] of (await serverDisk.contents.has(ids)).entries()) {
          if (!isThere) problems.push(`event ${ids[index]} got OK true and did not survive a crash`)
        }
      })
    },
  }
  return watch
}

/** What is looked at in a world at rest. */
export interface WorldChecks {
  /** See {@link Watch.mayRepeat}. @default false */
  readonly mayRepeat?: boolean
  /** Whether devices know of each chat that the server has. @default true */
  readonly isListed?: boolean
  /**
   * Whether what an account wrote may be gone from all of its disks and the server's. In a shared chat others have it then, can't
   * bring it back, and what they wrote may hang on it. @default false
   */
  readonly mayHang?: boolean
}

/** Checks a world at rest against every promise. @returns what is broken */
export async function checkWorld(
  world: World,
  model: ReferenceModel,
  { mayRepeat = false, isListed = true, mayHang = false }: WorldChecks = {},
): Promise<string[]> {
  const server = await readServer(world, world.serverDisk.resets === 0 && !mayRepeat)
  const problems = [...server.problems, ...(await checkLog(world))]
  for (const device of world.devices)
    problems.push(...(await checkDevice(device, server, model, world, { isListed, mayHang })))
  for (const address of new Set([...server.documents.keys(), ...server.deleted]))
    problems.push(...model.checkDeleted(address, server.deleted.has(address)))
  for (const [address, doc] of server.documents) {
    if (parseAddress(address)?.kind === KIND.chat)
      problems.push(
        ...model.checkChat(address, readMessages(doc)),
        ...(await checkMembers(world, model, address)),
      )
  }
  problems.push(...(await checkCursors(world, isListed)))
  return problems
}

/** The members are those that somebody meant, and all devices of the owner know them. */
async function checkMembers(world: World, model: ReferenceModel, address: string): Promise<string[]> {
  const [record] = await world.serverDisk.contents.documents([address])
  if (record === undefined) return []
  const found = new Map(record.members.map(({ pubkey, role }) => [pubkey, role]))
  const problems = model.checkMembers(address, found)
  for (const device of world.devices) {
    if (device.pubkey !== record.owner || device.client === undefined) continue
    const body = (await device.disk.contents.loadDocuments()).find((stored) => stored.address === address)
    // Of a chat that is only listed no events come.
    if (body?.body !== 'held') continue
    const known = device.client.chats.members(address)
    if (JSON.stringify(known) !== JSON.stringify(record.members))
      problems.push(`${device.name} knows other members of ${address} than the server`)
  }
  return problems
}

/** What the server itself says of its log: everything that is derived from events is what they give. */
async function checkLog({ serverDisk }: World): Promise<string[]> {
  const problems: string[] = []
  await verifyLog(serverDisk.contents, {
    verifier: quickVerifier,
    onFault: ({ kind, message, ...where }) =>
      problems.push(`the server's log: ${kind}, ${message} ${JSON.stringify(where)}`),
  })
  return problems
}

async function checkDevice(
  device: WorldDevice,
  server: ServerContents,
  model: ReferenceModel,
  { serverDisk, clock }: World,
  { isListed, mayHang }: Required<Pick<WorldChecks, 'isListed' | 'mayHang'>>,
): Promise<string[]> {
  const log = serverDisk.contents
  const { client } = device
  if (client === undefined) return [`${device.name} is not running`]
  const problems: string[] = []
  const rows = await device.disk.contents.loadRows('messages')
  for (const { address, body } of await device.disk.contents.loadDocuments()) {
    if (!(await mayRead(device, address, log))) continue
    if (server.deleted.has(address)) {
      problems.push(...(await checkDeleted(device, address)))
      continue
    }
    if (body !== 'held') {
      if (isListed) problems.push(...(await checkListed(device, address, body, server)))
      continue
    }
    const serverDoc = server.documents.get(address) ?? new Y.Doc()
    const doc = new Y.Doc()
    for (const { update } of await device.disk.contents.loadUpdates(address)) applyUpdate(doc, update)
    const hangs = mayHang && (await membersOn(log, address)).length > 0
    if (doc.store.pendingStructs !== null && !hangs)
      problems.push(`${device.name} waits for missing updates of ${address}`)
    // What was refused is on this device only.
    const hasRefused = client.refused().some(({ lane }) => lane === address)
    if (!hasRefused && !hangs && fingerprint(doc) !== fingerprint(serverDoc))
      problems.push(`${device.name} and the server differ in ${address}`)
    if (parseAddress(address)?.kind === KIND.chat) {
      const inRows = rows
        .filter((row) => row.address === address)
        .sort((a, b) => Number(a.position) - Number(b.position))
        .map((row) => ({
          id: String(row.message_id),
          content: String(row.content),
          status: String(row.status),
        }))
      const inDocument = readMessages(doc)
      if (JSON.stringify(inRows) !== JSON.stringify(inDocument)) {
        problems.push(`${device.name}: the rows of ${address} are not what the document says`)
      }
    }
  }
  problems.push(
    ...model.checkSettings(device.account, (await clock.until(client.settings.read())).preferences),
  )
  const owned = [...server.documents.keys()].filter(
    (address) => parseAddress(address)?.owner === device.pubkey,
  )
  const known = new Set((await device.disk.contents.loadDocuments()).map((document) => document.address))
  if (isListed)
    for (const address of owned) if (!known.has(address)) problems.push(`${device.name} lacks ${address}`)
  return problems
}

/** Of a chat that was deleted for good nothing is left but what was refused, which its user may still want. */
async function checkDeleted({ name, client, disk }: WorldDevice, address: string): Promise<string[]> {
  const problems: string[] = []
  const messageRows = await disk.contents.loadRows('messages', { column: 'address', equals: address })
  if (messageRows.length > 0) problems.push(`${name} still has messages of ${address}, which was deleted`)
  const hasRefused = client?.refused().some(({ lane }) => lane === address) === true
  const updates = await disk.contents.loadUpdates(address)
  if (updates.length > 0 && !hasRefused)
    problems.push(`${name} still has the log of ${address}, which was deleted`)
  const [row] = await disk.contents.loadRows('chats', { column: 'address', equals: address })
  if (row !== undefined && typeof row.deleted_at !== 'number')
    problems.push(`${name} shows ${address}, which was deleted`)
  return problems
}

/** A chat that is only listed has a row that says what the server has, and nothing else. */
async function checkListed(
  { name, disk }: WorldDevice,
  address: string,
  body: string,
  server: ServerContents,
): Promise<string[]> {
  const problems: string[] = []
  if (body === 'local') problems.push(`${name} has not brought what the server has of ${address}`)
  const updates = await disk.contents.loadUpdates(address)
  const messageRows = await disk.contents.loadRows('messages', { column: 'address', equals: address })
  if (updates.length + messageRows.length > 0)
    problems.push(`${name} only lists ${address}, and has some of it`)
  const [row] = await disk.contents.loadRows('chats', { column: 'address', equals: address })
  const doc = server.documents.get(address) ?? new Y.Doc()
  const messages = doc.getArray<Y.Map<unknown>>('messages').toArray()
  const times = [doc.getMap('metadata').get('createdAt'), ...messages.map((map) => map.get('createdAt'))]
  const shown = [row?.title, row?.message_count, row?.last_activity_at, row?.held]
  const expected = [
    doc.getMap('metadata').get('title') ?? '',
    messages.length,
    Math.max(0, ...times.map((time) => Number(time ?? 0))),
    false,
  ]
  if (JSON.stringify(shown) !== JSON.stringify(expected)) {
    problems.push(`${name} lists ${address} as ${JSON.stringify(shown)}, not ${JSON.stringify(expected)}`)
  }
  return problems
}

/** A member that was removed keeps what it has, and gets nothing more. */
async function mayRead(device: WorldDevice, address: string, log: EventLog): Promise<boolean> {
  if (parseAddress(address)?.owner === device.pubkey) return true
  return (await membersOn(log, address)).some((member) => member.pubkey === device.pubkey)
}

/** The members of a document as the server has them; none of one that it doesn't know. */
async function membersOn(log: EventLog, address: string): Promise<readonly Member[]> {
  const [record] = await log.documents([address])
  return record?.members ?? []
}

/** Address of the document that an event belongs to. */
function addressOf({ kind, pubkey, tags }: NostrEvent): string {
  const aTag = tags.find((tag) => tag[0] === 'a')?.[1]
  const owner = (aTag === undefined ? undefined : parseAddress(aTag)?.owner) ?? pubkey
  return `${kind}:${owner}:${kind === KIND.settings ? '' : tags.find((tag) => tag[0] === 'd')?.[1]}`
}

/** The pieces of text that an event of a document carries, wherever they stand in its update. */
function tokensIn(event: NostrEvent): string[] {
  if (!isDocumentKind(event.kind)) return []
  const { update } = decodeContent(event.content, parseEncodingTag(event), DEFAULT_LIMITS)
  let text = ''
  for (const byte of update) text += String.fromCharCode(byte)
  return text.match(/<\d+>/g) ?? []
}

/** A cursor is exact when asking with it again brings nothing. And where nothing is wrong, a connection stays. */
async function checkCursors(world: World, isListed: boolean): Promise<string[]> {
  const problems: string[] = []
  for (const device of world.devices) {
    const before = (await device.disk.contents.lastSeq()) as number
    device.client?.disconnect()
    await world.advance(2_000)
    const dials = world.network.dials(device.name)
    device.client?.connect()
    await world.advance(60_000)
    // What a server states that was replaced, and has another key, ends a connection, too.
    if (world.serverDisk.resets === 0 && world.network.dials(device.name) !== dials + 1)
      problems.push(`${device.name} connects again though nothing is wrong`)
    if (!device.client?.status.isCaughtUp)
      problems.push(`${device.name} does not catch up when nothing changed`)
    // What a list would have told of comes with the next connection.
    const mayCome = !isListed && device.client?.status.problem?.code === 'SERVER_KEY_CHANGED'
    if (!mayCome && (await device.disk.contents.lastSeq()) !== before)
      problems.push(`${device.name} stored something though nothing changed`)
  }
  return problems
}

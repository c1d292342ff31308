import type { SeededRandom } from '@onyx-sync/testing'
import { createDeviceModel, type DeviceModel, type Dump, lookInto } from './device-model.js'
import { BrokenPromise } from './plan.js'
import type { CommandEnd, Terminal } from './terminal.js'

/** A chat as `chat list` and `chat show` print it. */
export interface ListedChat {
  readonly address: string
  readonly id: string
  readonly title: string
  readonly messageCount: number
}
interface ShownChat extends ListedChat {
  readonly messages: readonly { readonly id: string; readonly content: string }[]
}

/** What `status` prints. */
export interface PrintedStatus {
  readonly documents: number
  readonly unsent: number
  readonly refused: number
}

/** What `sync` prints. */
interface SyncReport {
  readonly ok: boolean
  readonly unsent: number
  readonly reason?: string
}

/** What commands came to. */
export interface LaneCounts {
  /** Edits whose command printed its result. */
  edits: number
  /** Edits whose command was killed before it did: found afterwards, or not. */
  kept: number
  gone: number
  /** `sync`s that printed that all is saved, that said why not, and that were killed before they said anything. */
  saved: number
  unsaved: number
  cut: number
}

/** A terminal device whose commands are killed, one after another, and what it must not lose. */
export interface TerminalLane {
  readonly name: string
  readonly terminal: Terminal
  /** Cells are the texts of messages, and the titles of chats under the name `''`. */
  readonly model: DeviceModel
  readonly counts: LaneCounts
  /** Runs each command once, to its end. */
  begin(url: string): Promise<void>
  /** Some commands, most of them killed, and then a look at what they left. */
  step(generation: number): Promise<void>
  /** One `sync` that nobody disturbs: it must get everything through. */
  syncInPeace(): Promise<void>
}

/** An edit whose command was killed before it said anything. */
interface OpenEdit {
  readonly n: number
  readonly cell: string
  readonly value: string
  /** A later `sync` said that nothing is unsent. */
  isSent: boolean
}

const TITLE = ''
/** Longer than a server is away; attempts to reach it can still be further apart. */
const SYNC_SECONDS = '8'
const LETTERS = ['a', 'bc', 'ø', '😀', ' ', '\n', '"', "'", '漢', '\\', 'zzzz']

export function createTerminalLane(
  name: string,
  pubkey: string,
  terminal: Terminal,
  random: SeededRandom,
): TerminalLane {
  const model = createDeviceModel(name, pubkey)
  const counts: LaneCounts = { edits: 0, kept: 0, gone: 0, saved: 0, unsaved: 0, cut: 0 }
  const addressOf = (id: string) => `30001:${pubkey}:${id}`
  let count = 0
  /** As last listed. */
  let chats: readonly ListedChat[] = []
  /** Ids of chats whose making was killed and left nothing: made again under the same id. */
  const again: string[] = []
  /** As of the last look, with what was certainly edited since. A `sync` that was cut may have sent some. */
  let unsent = { count: 0, isExact: true }
  let open: OpenEdit[] = []
  const touched = new Set<string>()
  /** Whether there may be other chats than at the last look. */
  let isListOld = true
  /** What others wrote, as last seen here: it may only grow. */
  const seen = new Map<string, readonly string[]>()

  const perform = (args: readonly string[]): Promise<CommandEnd> =>
    random.chance(0.9) ? terminal.cut(random, ...args) : terminal.whole(...args)

  async function edit(args: readonly string[], id: string, cellName: string, value: string): Promise<void> {
    const n = ++count
    const cell = `${addressOf(id)}#${cellName}`
    touched.add(addressOf(id))
    model.read(['try', n, cell, value])
    const { json } = await perform(args)
    if (json === undefined) {
      open.push({ n, cell, value, isSent: false })
      return
    }
    model.read(['did', n])
    counts.edits++
    unsent.count++
  }

  function makeChat(generation: number): Promise<void> {
    isListOld = true
    const id = again.pop() ?? `${name}-${generation}-${count + 1}`
    const title = `${name} ${count + 1} ${someText()}`
    return edit(['chat', 'new', '--id', id, '--title', title], id, TITLE, title)
  }

  function send(id: string): Promise<void> {
    const text = `${name} ${count + 1} ${someText()}${'x'.repeat(random.chance(0.1) ? 20_000 : 0)}`
    return edit(['chat', 'send', id, text], id, text, text)
  }

  async function sync(): Promise<void> {
    isListOld = true
    const { json, code, wasKilled } = await perform(['sync', '--timeout', SYNC_SECONDS])
    if (json === undefined) {
      counts.cut++
      unsent.isExact = false
      return
    }
    const { ok, reason = '', ...report } = json as SyncReport
    if (!wasKilled && code !== (ok ? 0 : 2))
      throw broken(`sync said ${JSON.stringify(json)} and exited with ${code}`)
    if (ok) {
      if (report.unsent > 0) throw broken(`sync called ${report.unsent} unsent edits saved`)
      counts.saved++
      model.read(['saved'])
      for (const each of open) each.isSent = true
      unsent = { count: 0, isExact: true }
    } else {
      counts.unsaved++
      if (reason === '') throw broken('sync did not say why it failed')
      unsent.isExact = false
    }
  }

  function someText(): string {
    return Array.from({ length: 1 + random.below(16) }, () => random.pick(LETTERS)).join('')
  }

  const broken = (what: string) => new BrokenPromise('CRS6', `${name}: ${what}`)

  /** What the database holds now, by the words of further commands. */
  async function look(): Promise<void> {
    const status = await terminal.run<PrintedStatus>('status')
    if (isListOld) {
      chats = await terminal.run<ListedChat[]>('chat', 'list')
      // What a command left alone needs no look; what a sync brought does.
      if (chats.length > 0) touched.add(random.pick(chats).address)
    }
    isListOld = false
    if (chats.length !== status.documents) {
      throw broken(`${status.documents} documents, ${chats.length} of them in the list of chats`)
    }
    const shown: ShownChat[] = []
    for (const { address } of chats) {
      if (touched.has(address)) shown.push(await terminal.run<ShownChat>('chat', 'show', address))
    }
    for (const each of shown) checkRows(each)
    const dump = toDump(shown, status)
    for (const { n, cell, value, isSent } of open) {
      if (lookInto(dump, pubkey)(cell) === value) {
        // Seen once, it must stay.
        model.read(['did', n])
        counts.kept++
        if (!isSent) unsent.count++
      } else {
        counts.gone++
        if (cell.endsWith('#')) again.push(cell.slice(addressOf('').length, -1))
      }
    }
    if (status.unsent > unsent.count || (unsent.isExact && status.unsent < unsent.count)) {
      throw broken(`${status.unsent} edits unsent instead of ${unsent.count}`)
    }
    model.reopened(dump, [...touched])
    for (const { address, messages } of shown) checkGrowth(address, messages)
    unsent = { count: status.unsent, isExact: true }
    open = []
    touched.clear()
  }

  function checkRows({ address, messageCount, messages }: ShownChat): void {
    if (messageCount !== messages.length) {
      throw broken(
        `the row of ${address} counts ${messageCount} messages, the document has ${messages.length}`,
      )
    }
    const texts = messages.map(({ content }) => content)
    const doubled = texts.find((text, index) => texts.indexOf(text) !== index)
    if (doubled !== undefined) throw broken(`${address} has ${doubled.slice(0, 60)} twice`)
  }

  function checkGrowth(address: string, messages: ShownChat['messages']): void {
    const others = messages.map(({ content }) => content).filter((text) => !text.startsWith(`${name} `))
    const before = seen.get(address) ?? []
    const lost = before.find((text, index) => others[index] !== text)
    if (lost !== undefined) throw broken(`${address} had ${lost.slice(0, 60)} before`)
    seen.set(address, others)
  }

  return {
    name,
    terminal,
    model,
    counts,
    async begin(url) {
      model.begin()
      const id = `${name}-0-first`
      for (const [args, cellName, value] of [
        [['chat', 'new', '--id', id, '--title', `${name} first`], TITLE, `${name} first`],
        [['chat', 'send', id, `${name} hello`], `${name} hello`, `${name} hello`],
      ] as const) {
        model.read(['try', ++count, `${addressOf(id)}#${cellName}`, value])
        await terminal.run(...args)
        model.read(['did', count])
        counts.edits++
      }
      await terminal.run('sync', '--url', url)
      model.read(['saved'])
      await look()
    },

    async step(generation) {
      model.begin()
      const ids = chats.map(({ id }) => id).filter((id) => id.includes(`-${generation}-`))
      // One chat at a time: each one that is written to costs a command to look at.
      const id = ids.length === 0 ? undefined : random.pick(ids)
      for (let left = id === undefined ? 2 : 3 + random.below(5); left > 0; left--) {
        if (id === undefined || random.chance(0.1)) await makeChat(generation)
        else if (random.chance(0.35)) await sync()
        else await send(id)
      }
      await look()
    },

    async syncInPeace() {
      const { ok, unsent: left } = await terminal.run<SyncReport>('sync')
      if (!ok || left > 0) throw broken(`does not get everything through: ${left} edits unsent`)
      model.read(['saved'])
    },
  }
}

/** As the model sees it. Rows were compared already, as far as commands show them. */
function toDump(shown: readonly ShownChat[], { unsent, refused }: PrintedStatus): Dump {
  const chats = shown.map(({ address, title, messages }) => {
    const cells = [[TITLE, title], ...messages.map(({ content }) => [content, content])] as [string, string][]
    return [address, { messages: cells, rows: cells }] as const
  })
  return { chats: Object.fromEntries(chats), settings: {}, status: { unsent, refused, setAside: 0 } }
}

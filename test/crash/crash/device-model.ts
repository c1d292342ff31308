import { BrokenPromise } from './plan.js'

/**
 * One thing that one device writes: a message, or a setting. `null` stands for deleted or never made.
 * Named `<address>#<message id or settings key>`.
 */
interface Cell {
  /** What it holds for certain. */
  value: string | null
  /** Tried since, with no answer yet: may have happened, in this order. */
  tried: { readonly n: number; readonly value: string | null }[]
  /** All it was ever to hold, in order. */
  readonly history: (string | null)[]
}

/** What a device process says it sees. */
export interface Dump {
  readonly chats: Readonly<Record<string, ChatDump>>
  readonly settings: Readonly<Record<string, string>>
  readonly status: {
    readonly unsent: number
    readonly refused: number
    readonly setAside: number
    readonly problem?: { readonly code: string; readonly message: string }
  }
}

interface ChatDump {
  readonly messages: readonly (readonly [string, string])[]
  readonly rows: readonly (readonly [string, string])[]
}

/** An edit whose call returned, with its place in the history of its cell. */
interface DoneEdit {
  readonly cell: string
  readonly step: number
}

/** What cells hold, as someone else sees them. */
export type Look = (cell: string) => string | null

/** All that one device must not lose: grows by the lines it prints. */
export interface DeviceModel {
  readonly name: string
  /** Edits whose call returned. */
  readonly doneCount: number
  /** Edits that the device reported as saved so far: a number of done edits from the first on. */
  readonly savedCount: number
  /** Edits that were under way when their process was killed. */
  readonly undecided: number
  begin(): void
  /** Takes a line of the device. Throws when an edit failed. */
  read(line: readonly unknown[]): void
  /** Compares with what a new process found in the database, of the chats it was to look into or of all. */
  reopened(dump: Dump, chats?: readonly string[]): void
  /** The documents that {@link DeviceModel.checkSaved} is going to look into. */
  addressesToCheck(mark: number): string[]
  /** Checks that everything reported as saved by `mark` is seen there; each edit once. @returns how many edits */
  checkSaved(look: Look, mark: number): number
  /** Checks that everything is exactly as it was written, in the documents that can be seen there. */
  checkAll(where: string, look: Look, sees: (address: string) => boolean): void
  /** Ids of the messages that a chat must hold, of this device. */
  messagesIn(address: string): string[]
}

export function createDeviceModel(name: string, pubkey: string): DeviceModel {
  const cells = new Map<string, Cell>()
  const done: DoneEdit[] = []
  let current = new Map<number, { cell: string; step: number }>()
  /** Edits that were done when the device asked whether all is saved, by the number of its question. */
  const marks = new Map<number, number>()
  let savedCount = 0
  let checkedCount = 0
  let undecided = 0

  function cellFor(key: string): Cell {
    let cell = cells.get(key)
    if (cell === undefined) {
      cell = { value: null, tried: [], history: [] }
      cells.set(key, cell)
    }
    return cell
  }

  return {
    name,
    get doneCount() {
      return done.length
    },
    get savedCount() {
      return savedCount
    },
    get undecided() {
      return undecided
    },
    begin() {
      current = new Map()
      marks.clear()
    },

    read([type, ...rest]) {
      if (type === 'try') {
        const [n, key, value] = rest as [number, string, string | null]
        const cell = cellFor(key)
        cell.tried.push({ n, value })
        current.set(n, { cell: key, step: cell.history.push(value) - 1 })
      } else if (type === 'did') {
        const n = rest[0] as number
        const edit = current.get(n) as { cell: string; step: number }
        const cell = cellFor(edit.cell)
        cell.value = cell.history[edit.step] as string | null
        cell.tried = cell.tried.filter((attempt) => attempt.n > n)
        done.push(edit)
      } else if (type === 'failed') {
        throw new BrokenPromise('C1', `an edit of ${name} failed: ${rest.join(' ')}`)
      } else if (type === 'saved') {
        savedCount = done.length
      } else if (type === 'mark') {
        marks.set(rest[0] as number, done.length)
      } else if (type === 'saved-mark') {
        savedCount = Math.max(savedCount, marks.get(rest[0] as number) as number)
      }
    },

    reopened(dump, chats) {
      const look = lookInto(dump, pubkey)
      for (const [key, cell] of cells) {
        if (chats !== undefined && !key.startsWith('10001:') && !chats.includes(addressOfCell(key))) continue
        const found = look(key)
        if (found !== cell.value && !cell.tried.some(({ value }) => value === found)) {
          throw new BrokenPromise(
            'C1][C7',
            `${name} lost ${key}: ${show(found)} instead of ${show(cell.value)}`,
          )
        }
        undecided += cell.tried.length
        cell.value = found
        cell.tried = []
      }
      for (const [address, chat] of Object.entries(dump.chats)) {
        if (JSON.stringify(chat.messages) === JSON.stringify(chat.rows)) continue
        throw new BrokenPromise('C1', `query tables of ${name} are not what ${address} holds`)
      }
      const { refused, setAside } = dump.status
      if (refused + setAside > 0) {
        throw new BrokenPromise('C4', `${name}: ${refused} edits refused, ${setAside} events set aside`)
      }
      if (dump.status.unsent === 0) savedCount = done.length
    },

    addressesToCheck: (mark) => done.slice(checkedCount, mark).map(({ cell }) => addressOfCell(cell)),

    checkSaved(look, mark) {
      for (const { cell: key, step } of done.slice(checkedCount, mark)) {
        // The server may be further than what the mark covers, never behind.
        if (cellFor(key).history.slice(step).includes(look(key))) continue
        throw new BrokenPromise('C8', `${name} reported ${key} as saved; the server has ${show(look(key))}`)
      }
      const checked = Math.max(0, mark - checkedCount)
      checkedCount += checked
      return checked
    },

    checkAll(where, look, sees) {
      for (const [key, { value, tried }] of cells) {
        if (!sees(addressOfCell(key))) continue
        if (tried.length > 0) throw new Error(`${key} is undecided: the device was not opened again`)
        if (look(key) === value) continue
        throw new BrokenPromise(
          'C1][C7',
          `${where} has ${show(look(key))} for ${key} instead of ${show(value)}`,
        )
      }
    },

    messagesIn: (address) =>
      [...cells]
        .filter(([key, { value }]) => value !== null && addressOfCell(key) === address)
        .map(([key]) => key.slice(address.length + 1)),
  }
}

export function addressOfCell(key: string): string {
  return key.slice(0, key.indexOf('#'))
}

/** What a dump of an account's device shows. */
export function lookInto(dump: Dump, pubkey: string): Look {
  const chats = new Map(
    Object.entries(dump.chats).map(([address, { messages }]) => [address, new Map(messages)]),
  )
  return (key) => {
    const [address, name] = [addressOfCell(key), key.slice(key.indexOf('#') + 1)]
    if (address === `10001:${pubkey}:`) return dump.settings[name] ?? null
    return chats.get(address)?.get(name) ?? null
  }
}

function show(value: string | null): string {
  return value === null ? 'nothing' : JSON.stringify(value.slice(0, 80))
}

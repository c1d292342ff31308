import { type EventLog, MIN_PAGE_ENTRIES, type Pages } from '../ports/event-log.js'

/**
 * Decides who reads the log next: accounts take turns, and of one account the oldest question goes first. What a
 * page of events or of index entries brings is parsed and matched in one go when it comes from the disk. An account
 * that asks three hundred questions at once would otherwise have three hundred pages handled between two looks at
 * anybody's socket, and none of its questions would end before all of them do. Source: SPEC FAIR4.
 */
export interface ReadingTurns {
  /** The log as one question of an account reads it. `account` is asked each time. */
  logFor(account: () => string): EventLog
}

export interface ReadingTurnsOptions {
  /** Calls back after the event loop has looked at all sockets, timers and disks. @default at once */
  readonly defer?: ((callback: () => void) => void) | undefined
}

/** Pages under way at a time, of all accounts together: as many as threads read from the disk. */
const PAGES = 4

/** A page that somebody waits for. */
interface Turn {
  /** Which question wants it; older ones have lower numbers. */
  readonly question: number
  begin(): void
}

/** What tells one question's log from another's. */
interface Asked {
  account(): string
  readonly question: number
}

interface Reader {
  isRunning: boolean
  /** The oldest question first. */
  readonly waiting: Turn[]
}

export function createReadingTurns(
  log: EventLog,
  { defer = queueMicrotask }: ReadingTurnsOptions = {},
): ReadingTurns {
  /** Accounts that read or wait, in the order of their turns. */
  const readers = new Map<string, Reader>()
  let running = 0
  let questions = 0

  function startNext(): void {
    for (const [account, reader] of readers) {
      if (running >= PAGES) return
      const turn = reader.isRunning ? undefined : reader.waiting.shift()
      if (turn === undefined) continue
      // To the end of the line.
      readers.delete(account)
      readers.set(account, reader)
      reader.isRunning = true
      running++
      turn.begin()
    }
  }

  async function takeTurn<T>(account: string, question: number, read: () => Promise<T>): Promise<T> {
    const reader = readers.get(account) ?? { isRunning: false, waiting: [] }
    readers.set(account, reader)
    await new Promise<void>((begin) => {
      insert(reader.waiting, { question, begin })
      startNext()
    })
    try {
      return await read()
    } finally {
      // The turn ends when what it brought has been handled, which happens before the event loop goes round.
      defer(() => {
        running--
        reader.isRunning = false
        if (reader.waiting.length === 0) readers.delete(account)
        startNext()
      })
    }
  }

  /** What the log lists, each page in a turn. */
  async function* inTurns<T>({ account, question }: Asked, open: () => Pages<T>): Pages<T> {
    const iterator = open()[Symbol.asyncIterator]()
    try {
      for (;;) {
        const { value, done } = await takeTurn(account(), question, () => iterator.next())
        if (done === true) return
        yield value
        // Nobody waits for a turn to hear that there is nothing more.
        if (value.length < MIN_PAGE_ENTRIES) return
      }
    } finally {
      await iterator.return?.()
    }
  }

  const paged = <A extends unknown[], T>(source: (...args: A) => Pages<T>) =>
    function (this: Asked, ...args: A) {
      return inTurns(this, () => source(...args))
    }
  // Methods that all questions share: thousands of idle subscriptions keep one each.
  const turns = {
    load(this: Asked, ...[seqs, maxLength]: Parameters<EventLog['load']>) {
      return takeTurn(this.account(), this.question, () => log.load(seqs, maxLength))
    },
    feed: paged((...range: Parameters<EventLog['feed']>) => log.feed(...range)),
    documentLog: paged((...range: Parameters<EventLog['documentLog']>) => log.documentLog(...range)),
    ownerLog: paged((...range: Parameters<EventLog['ownerLog']>) => log.ownerLog(...range)),
    training: paged((...range: Parameters<EventLog['training']>) => log.training(...range)),
    trainingFeed: paged((...range: Parameters<EventLog['trainingFeed']>) => log.trainingFeed(...range)),
    writersOf: paged((address: string) => log.writersOf(address)),
    listed: paged((...range: Parameters<EventLog['listed']>) => log.listed(...range)),
    changedDocuments: paged((...range: Parameters<EventLog['changedDocuments']>) =>
      log.changedDocuments(...range),
    ),
  }
  // A log that inherits everything else: its getters stay live. Defined, because those of `log` may be read-only.
  const asked: EventLog = Object.create(
    log,
    Object.fromEntries(Object.entries(turns).map(([name, value]) => [name, { value }])),
  )

  return {
    logFor(account) {
      const own: Asked = { account, question: ++questions }
      return Object.assign(Object.create(asked) as EventLog, own)
    },
  }
}

/** Keeps the oldest question first; a new one, of which there may be many, goes to the end. */
function insert(waiting: Turn[], turn: Turn): void {
  let [from, to] = [0, waiting.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if ((waiting[middle] as Turn).question <= turn.question) from = middle + 1
    else to = middle
  }
  waiting.splice(from, 0, turn)
}

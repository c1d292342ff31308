/**
 * Decides in which order messages that have been read are handled: accounts take turns, and so do the connections
 * of one account. Without it a socket that brought a hundred messages at once would have all of them handled
 * before anybody else's first. Source: SPEC FAIR2.
 */
export interface Turns {
  /** A place for one connection's messages. */
  open(options: LaneOptions): Lane
}

export interface LaneOptions {
  /** Handles one message. Must not throw. */
  handle(data: Buffer): void
  /** Whom the connection counts for at this moment. */
  account(): string
  /** Stop or go on reading from the socket: much waits, or little. */
  setReading(isReading: boolean): void
}

/** The messages of one connection that were read and not handled yet. */
export interface Lane {
  push(data: Buffer): void
  /** Handles nothing more of it until `resume`, and reads nothing more soon. */
  pause(): void
  resume(): void
  /** Nothing more comes; `done` is called when what is there has been handled. */
  end(done: () => void): void
}

export interface TurnsOptions {
  /** Monotonic time, milliseconds. */
  now(): number
  /** Calls back after the event loop has looked at all sockets, timers and disks. */
  defer(callback: () => void): void
}

/** Longest time for which messages are handled before the event loop goes round. Milliseconds. */
const SLICE_MS = 5
/**
 * The same while a connection sends faster than it is served and others say something, too: each step that these wait for
 * takes a round. More rounds make all of it dearer, so not else.
 */
const CROWDED_SLICE_MS = 1
/** Messages of one account in a row after which it counts as alone. */
const ALONE_AFTER_MESSAGES = 2_048
/** Messages and bytes of one connection that may wait to be handled before its socket is read no more. */
const MAX_WAITING = 64
const MAX_WAITING_BYTES = 256 * 1024

interface Place {
  readonly options: LaneOptions
  readonly messages: Buffer[]
  bytes: number
  /** Whether more waited than is read for, and not all of that has been handled since. */
  isFlooding: boolean
  isPaused: boolean
  isReading: boolean
  isQueued: boolean
  done: (() => void) | undefined
}

export function createTurns({ now, defer }: TurnsOptions): Turns {
  /** Accounts that have something to be handled, in the order of their turns; of each the lanes in theirs. */
  const accounts = new Map<string, Place[]>()
  let isDeferred = false
  let sliceEndsAt = 0
  /** Connections that say more than they are served. */
  let flooding = 0
  /** Messages of one account that were handled in a row, up to now. */
  let streak = { account: '', messages: 0 }

  function enqueue(place: Place): void {
    if (place.isQueued || place.isPaused || place.messages.length === 0) return
    place.isQueued = true
    const account = place.options.account()
    const lanes = accounts.get(account)
    if (lanes === undefined) accounts.set(account, [place])
    else lanes.push(place)
  }

  function takeNext(): Place | undefined {
    for (const [account, lanes] of accounts) {
      accounts.delete(account)
      const place = lanes.shift()
      // To the end of the line.
      if (lanes.length > 0) accounts.set(account, lanes)
      if (place === undefined) continue
      place.isQueued = false
      if (!place.isPaused) return place
    }
    return undefined
  }

  function handleOne(place: Place): void {
    const message = place.messages.shift()
    if (message === undefined) return
    place.bytes -= message.byteLength
    const account = place.options.account()
    if (account === streak.account) streak.messages++
    else streak = { account, messages: 1 }
    place.options.handle(message)
    enqueue(place)
    settle(place)
  }

  function settle(place: Place): void {
    const isFull = place.messages.length >= MAX_WAITING || place.bytes >= MAX_WAITING_BYTES
    const isLow = place.messages.length <= MAX_WAITING / 2 && place.bytes <= MAX_WAITING_BYTES / 2
    const isFlooding = isFull || (place.isFlooding && place.messages.length > 0)
    if (isFlooding !== place.isFlooding) flooding += isFlooding ? 1 : -1
    place.isFlooding = isFlooding
    const isReading = !place.isPaused && (place.isReading ? !isFull : isLow)
    if (isReading !== place.isReading) {
      place.isReading = isReading
      place.options.setReading(isReading)
    }
    if (place.messages.length > 0) return
    const { done } = place
    place.done = undefined
    done?.()
  }

  function run(): void {
    const startedAt = now()
    if (!isDeferred) {
      isDeferred = true
      const isCrowded = flooding > 0 && streak.messages < ALONE_AFTER_MESSAGES
      sliceEndsAt = startedAt + (isCrowded ? CROWDED_SLICE_MS : SLICE_MS)
      defer(next)
    }
    while (accounts.size > 0 && now() < sliceEndsAt) {
      const place = takeNext()
      if (place !== undefined) handleOne(place)
    }
  }

  function next(): void {
    isDeferred = false
    if (accounts.size > 0) run()
  }

  return {
    open(options) {
      const place: Place = {
        options,
        messages: [],
        bytes: 0,
        isFlooding: false,
        isPaused: false,
        isReading: true,
        isQueued: false,
        done: undefined,
      }
      return {
        push(data) {
          place.messages.push(data)
          place.bytes += data.byteLength
          enqueue(place)
          // At once where there is time left: who is alone waits for nothing.
          run()
          settle(place)
        },
        pause() {
          place.isPaused = true
          settle(place)
        },
        resume() {
          place.isPaused = false
          enqueue(place)
          settle(place)
          if (accounts.size > 0 && !isDeferred) {
            // Not from within whoever calls: it may be in the middle of answering somebody.
            isDeferred = true
            sliceEndsAt = 0
            defer(next)
          }
        },
        end(done) {
          place.done = done
          settle(place)
        },
      }
    },
  }
}

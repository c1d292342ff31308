import type { TestKey } from '../support/events.js'
import type { Dump } from './device-model.js'
import { type Child, DEVICE_CHILD, type LaunchOptions, type Scope, waitForLine } from './processes.js'

/** A device process that does what it is told. */
export interface ObedientDevice {
  readonly child: Child
  /** Tries one edit. Resolves with whether its call returned, or how it failed. */
  edit(
    characters?: number,
  ): Promise<{ readonly cell: string; readonly text: string; readonly error?: string }>
  synced(timeoutMs: number): Promise<boolean>
  dump(): Promise<Dump>
  /** The newest line of this type, printed already or yet to come. */
  lineOf(type: string, fits?: (line: readonly unknown[]) => boolean): Promise<readonly unknown[]>
  /** Lines so far; a place from which to look on. */
  readonly place: number
  /** Lines of this type from a place on. */
  linesOf(type: string, from?: number): (readonly unknown[])[]
}

export interface DeviceOrders {
  readonly name: string
  readonly db: string
  readonly key: TestKey
  readonly url?: string
  readonly heartbeat?: { readonly afterMs: number; readonly timeoutMs: number }
  readonly run?: number
}

const DEADLINE_MS = 30_000

/** Starts a device with one chat, `own`, and waits until it is open. */
export async function startDevice(
  scope: Scope,
  orders: DeviceOrders,
  options?: LaunchOptions,
): Promise<ObedientDevice> {
  const { key, ...rest } = orders
  const secret = Buffer.from(key.secretKey).toString('hex')
  const chats = [{ owner: key.publicKey, id: 'own', create: true }]
  const text = JSON.stringify({ run: 1, seed: 'orders', mode: 'orders', secret, chats, ...rest })
  const child = scope.launch(DEVICE_CHILD, [text], options)
  await waitForLine(child, (line) => line === '["ready"]')

  const parsed = (from: number) => child.lines.slice(from).map((line) => JSON.parse(line) as unknown[])
  const next = async (from: number, fits: (line: readonly unknown[]) => boolean, timeoutMs = DEADLINE_MS) => {
    const line = await waitForLine(
      { ...child, lines: child.lines.slice(from) } as Child,
      (text) => fits(JSON.parse(text) as unknown[]),
      timeoutMs,
    )
    return JSON.parse(line) as unknown[]
  }
  return {
    child,
    async edit(characters = 0) {
      const from = child.lines.length
      child.tell(`edit ${characters}`)
      const [, n, cell, value] = (await next(from, ([type]) => type === 'try')) as [
        string,
        number,
        string,
        string,
      ]
      const end = await next(from, ([type, which]) => (type === 'did' || type === 'failed') && which === n)
      return { cell, text: value, ...(end[0] === 'failed' ? { error: String(end[2]) } : {}) }
    },
    async synced(timeoutMs) {
      const from = child.lines.length
      child.tell(`synced ${timeoutMs}`)
      return (await next(from, ([type]) => type === 'synced', timeoutMs + DEADLINE_MS))[1] === true
    },
    async dump() {
      const from = child.lines.length
      child.tell('dump')
      return (await next(from, ([type]) => type === 'dump'))[1] as Dump
    },
    lineOf: (type, fits = () => true) => next(0, (line) => line[0] === type && fits(line)),
    get place() {
      return child.lines.length
    },
    linesOf: (type, from = 0) => parsed(from).filter((line) => line[0] === type),
  }
}

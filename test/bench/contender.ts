import type { MeasuredServer } from './server-process.js'

/** A device of whichever sync engine, with one chat open. */
export interface ContenderDevice {
  /** Appends a message. It is in this device's document when this returns. */
  append(text: string): void
  /** Messages in the chat, as this device has it. */
  count(): number
  /** Calls back after each change of the document. @returns a function that ends it */
  onChange(listener: () => void): () => void
  disconnect(): void
  connect(): void
  close(): Promise<void>
}

/** Where a contender's server is to run. */
export interface ContenderPlace {
  /** Where it keeps what it keeps. */
  readonly directory: string
  /** @default a free one */
  readonly port?: number
  /** The address that devices dial, where that is not the server's own. */
  readonly url?: string
}

/** A sync engine that is measured: its server as a process of its own, and its own client. */
export interface Contender {
  readonly name: string
  /** Path of its address. */
  readonly path: string
  start(place: ContenderPlace): Promise<MeasuredServer>
  /** Opens a new device, in this process; resolves once it has what the server has of the chat. */
  open(url: string, chat: string): Promise<ContenderDevice>
}

/** What takes longer than this will not come any more. Milliseconds. */
const TIMEOUT_MS = 120_000

/** Resolves once a device has so many messages; rejects when they don't come. */
export function untilCount(device: ContenderDevice, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    if (device.count() >= count) return resolve()
    const timer = setTimeout(
      () => reject(new Error(`a device has ${device.count()} messages, not ${count}`)),
      TIMEOUT_MS,
    )
    const end = device.onChange(() => {
      if (device.count() < count) return
      end()
      clearTimeout(timer)
      resolve()
    })
  })
}

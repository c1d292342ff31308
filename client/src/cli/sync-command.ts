import type { SyncStatus } from '../client-api.js'
import type { HoldChoice } from '../core/hold-choice.js'
import type { SyncMode } from '../core/server-info.js'
import { type Device, openDevice, rememberServer } from './device.js'
import { edits } from './output.js'

/** What `sync` reports with `--json`. */
export interface SyncReport {
  readonly ok: boolean
  readonly unsent: number
  readonly refused: number
  readonly documents: number
  readonly cursor: string
  /** Whether the server keeps every update, or is a plain relay; absent while that isn't known. */
  readonly mode?: SyncMode
  /** Why it isn't ok; absent when it is. */
  readonly reason?: string
}

export interface SyncCommandOptions {
  readonly db: string
  readonly url?: string
  readonly keyFile?: string
  /** Stay and keep syncing until a signal comes. */
  readonly watch: boolean
  /** Whether `ws:` may be used to another machine. */
  readonly allowInsecure: boolean
  /** Seconds after which to give up, without `watch`. */
  readonly timeoutSeconds: number
  /** What the device shall hold from now on. */
  readonly hold?: HoldChoice
  /** Progress for a person; not called with what is repeated. */
  progress(line: string): void
}

/** Problems that waiting doesn't heal. */
const FATAL = new Set(['AUTH_INVALID', 'AUTH_CLOCK_SKEW', 'RELAY_UNSUITABLE', 'KEY_INVALID'])

/** What `--hold` says; undefined where it can't be read. */
export function readHold(text: string): HoldChoice | undefined {
  if (text === 'all') return 'all'
  if (text === 'none') return {}
  const [, name, value = ''] = /^(recent|days|ids):(.+)$/.exec(text) ?? []
  if (name === 'recent') return /^[0-9]{1,9}$/.test(value) ? { recent: Number(value) } : undefined
  if (name === 'days') return Number(value) > 0 ? { activeWithinDays: Number(value) } : undefined
  return name === 'ids' ? { ids: value.split(',') } : undefined
}

/** Sends what is unsent, gets what is new, and says how it ended. */
export async function runSync(options: SyncCommandOptions): Promise<SyncReport> {
  const device = await openDevice({ ...options, isOnline: true })
  const { client } = device
  let stopReporting = () => {}
  try {
    let last = ''
    stopReporting = client.onStatus((status) => {
      const line = describe(status)
      if (line !== last) options.progress(line)
      last = line
    })
    // Running sync again is how a person tries again.
    client.retryRefused()
    client.connect()
    if (options.watch) await untilSignal()
    else await untilDone(device, options.timeoutSeconds * 1000)
    const report = toReport(client.status, options)
    const { cursor, mode } = client.status
    if (report.ok || cursor !== '') await rememberServer(device.store, device.url as string, mode)
    return report
  } finally {
    stopReporting()
    await client.close()
  }
}

async function untilDone({ client }: Device, timeoutMs: number): Promise<void> {
  let stopListening = () => {}
  const hopeless = new Promise<void>((resolve) => {
    stopListening = client.onStatus((status) => {
      if (status.problem !== undefined && FATAL.has(status.problem.code)) resolve()
    })
  })
  await Promise.race([client.synced({ timeoutMs }), hopeless])
  stopListening()
}

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
}

function toReport(status: SyncStatus, options: SyncCommandOptions): SyncReport {
  const { unsent, refused, documents, cursor, mode } = status
  const reason = explain(status, options)
  return {
    ok: reason === undefined,
    unsent,
    refused,
    documents,
    cursor,
    ...(mode === undefined ? {} : { mode }),
    ...(reason === undefined ? {} : { reason }),
  }
}

function explain(status: SyncStatus, { timeoutSeconds, watch }: SyncCommandOptions): string | undefined {
  const left = status.unsent > 0 ? ` (${edits(status.unsent)} unsent)` : ''
  if (status.problem !== undefined) return `${status.problem.message}${left}`
  if (!status.isCaughtUp) return `not caught up${watch ? '' : ` within ${timeoutSeconds} s`}${left}`
  if (status.unsent > 0) return `${edits(status.unsent)} unsent${watch ? '' : ` after ${timeoutSeconds} s`}`
  if (status.refused > 0) return `the server refused ${edits(status.refused)}: see "onyx-sync status"`
  return undefined
}

function describe(status: SyncStatus): string {
  const left = status.unsent > 0 ? `, ${edits(status.unsent)} to send` : ''
  switch (status.connection) {
    case 'live':
      return `${status.unsent > 0 ? `sending ${edits(status.unsent)}` : 'up to date'}${atPlainRelay(status)}`
    case 'waiting':
      return `${status.problem?.message ?? 'not connected'}; trying again${left}`
    case 'catching-up':
      return `catching up${left}`
    default:
      return `${status.connection}${left}`
  }
}

function atPlainRelay({ mode }: SyncStatus): string {
  return mode === 'plain' ? ' (plain relay: whole states only)' : ''
}

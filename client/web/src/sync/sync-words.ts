import type { SyncStatus } from '@onyx-sync/client'
import type { IconName } from '../parts/icon.js'
import { counted, fullTime } from '../parts/words.js'

/** How a device stands, in words for people. */
export interface SyncWords {
  readonly tone: 'good' | 'busy' | 'away' | 'bad'
  readonly icon: IconName
  readonly text: string
  /** What else there is to know; empty where nothing is. */
  readonly more: string
  /** The text without what changes each second: read out, that would drown everything else. */
  readonly spoken: string
}

type Words = Omit<SyncWords, 'spoken'> & Partial<Pick<SyncWords, 'spoken'>>

/**
 * Says how a device stands. "Saved" is said only of what is on the server's disk, "kept on this device" of what is in its
 * database. `now` is in milliseconds since the epoch, by the device's clock.
 */
export function syncWords(status: SyncStatus, isNetworkOn: boolean, now: number): SyncWords {
  const words = choose(status, isNetworkOn, now)
  return { spoken: words.text, ...words }
}

function choose(status: SyncStatus, isNetworkOn: boolean, now: number): Words {
  const { connection, unsent, refused, problem, retryAtMs, progress } = status
  if (problem?.code === 'STORE_FAILED') return storageWords(problem.message)
  if (problem?.code === 'TAB_SILENT') return SILENT_TAB
  const kept = unsent === 0 ? '' : `${counted(unsent, 'edit')} kept on this device, not saved yet`
  if (refused > 0) {
    return {
      tone: 'bad',
      icon: 'warning',
      text: `${counted(refused, 'edit')} refused by the server`,
      more: kept,
    }
  }
  if (!isNetworkOn) return { tone: 'away', icon: 'offline', text: 'Offline, by your switch', more: kept }
  if (connection === 'stopped') {
    return { tone: 'bad', icon: 'warning', text: problem?.message ?? 'The server can’t be used', more: kept }
  }
  if (connection === 'catching-up') {
    const text =
      progress === undefined ? 'Catching up' : `Catching up: ${progress.done} of ${progress.total} chats`
    return { tone: 'busy', icon: 'wait', text, more: kept }
  }
  // Also while the next attempt is under way: what it says is what the last one came to.
  if (problem?.code === 'AUTH_CLOCK_SKEW') return clockWords(problem.message, now, kept)
  if (connection === 'waiting') {
    const seconds = Math.max(1, Math.ceil(((retryAtMs ?? now) - now) / 1_000))
    const text = `Offline, reconnecting in ${seconds} s`
    return { tone: 'away', icon: 'offline', text, more: kept, spoken: 'Offline, reconnecting' }
  }
  if (connection !== 'live') return { tone: 'busy', icon: 'wait', text: 'Connecting', more: kept }
  if (problem !== undefined) return { tone: 'bad', icon: 'warning', text: problem.message, more: kept }
  if (unsent > 0) return { tone: 'busy', icon: 'up', text: `Saving ${counted(unsent, 'edit')}`, more: '' }
  return { tone: 'good', icon: 'checks', text: 'Everything is saved on the server', more: '' }
}

/** It has the database, so that nothing which is done here is kept. */
const SILENT_TAB: Words = {
  tone: 'bad',
  icon: 'warning',
  text: 'Another tab of this page doesn’t answer: close it, and this one goes on',
  more: 'New edits are in this tab only: keep it open. If closing the other isn’t enough, end it in the browser’s task manager',
}

/** What storage refuses is neither saved nor kept, so nothing of that kind is said beside it. */
function storageWords(reason: string): Words {
  const isFull = /quota|full|no room|no space/i.test(reason)
  return {
    tone: 'bad',
    icon: 'warning',
    text: isFull ? 'This browser has no room left for your chats' : 'This browser’s storage takes nothing',
    more: `New edits are in this page only: keep it open, and ${isFull ? 'free some space' : 'allow the site to store data'}`,
  }
}

/** The server lets nobody in whose clock is far off, and says what time it has. */
function clockWords(reason: string, now: number, kept: string): Words {
  const told = /\d{4}-\d\d-\d\dT[\d:.]+Z/.exec(reason)?.[0]
  const serverMs = told === undefined ? undefined : Date.parse(told)
  const off =
    serverMs === undefined
      ? 'wrong'
      : `${roughly(Math.abs(now - serverMs))} ${now > serverMs ? 'ahead' : 'behind'}`
  const time = serverMs === undefined ? '' : ` (the server has ${fullTime(serverMs)})`
  return {
    tone: 'bad',
    icon: 'warning',
    text: `The clock of this device is ${off}: set it right to go on${time}`,
    more: kept,
    spoken: 'The clock of this device is wrong: set it right to go on',
  }
}

function roughly(ms: number): string {
  const minutes = Math.round(ms / 60_000)
  if (minutes < 90) return counted(minutes, 'minute')
  const hours = Math.round(minutes / 60)
  return hours < 48 ? counted(hours, 'hour') : counted(Math.round(hours / 24), 'day')
}

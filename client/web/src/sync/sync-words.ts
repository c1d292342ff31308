import type { SyncStatus } from '@onyx-sync/client'
import type { IconName } from '../parts/icon.js'
import { counted } from '../parts/words.js'

/** How a device stands, in words for people. */
export interface SyncWords {
  readonly tone: 'good' | 'busy' | 'away' | 'bad'
  readonly icon: IconName
  readonly text: string
  /** What else there is to know; empty where nothing is. */
  readonly more: string
}

/**
 * Says how a device stands. "Saved" is said only of what is on the server's disk, "kept on this device" of what is in its
 * database. `now` is in milliseconds since the epoch.
 */
export function syncWords(status: SyncStatus, isNetworkOn: boolean, now: number): SyncWords {
  const { connection, unsent, refused, problem, retryAtMs, progress } = status
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
  if (connection === 'waiting') {
    const seconds = Math.max(1, Math.ceil(((retryAtMs ?? now) - now) / 1_000))
    return { tone: 'away', icon: 'offline', text: `Offline, reconnecting in ${seconds} s`, more: kept }
  }
  if (connection === 'catching-up') {
    const text =
      progress === undefined ? 'Catching up' : `Catching up: ${progress.done} of ${progress.total} chats`
    return { tone: 'busy', icon: 'wait', text, more: kept }
  }
  if (connection !== 'live') return { tone: 'busy', icon: 'wait', text: 'Connecting', more: kept }
  if (problem !== undefined) return { tone: 'bad', icon: 'warning', text: problem.message, more: kept }
  if (unsent > 0) return { tone: 'busy', icon: 'up', text: `Saving ${counted(unsent, 'edit')}`, more: '' }
  return { tone: 'good', icon: 'checks', text: 'Everything is saved on the server', more: '' }
}

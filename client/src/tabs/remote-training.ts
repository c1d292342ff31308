import { SyncError } from '@onyx-sync/shared'
import type { Chats } from '../model/chats-api.js'
import { CONSENT_PREFERENCE } from '../model/consent.js'
import type { RowFeed } from '../model/row-feed.js'
import type { Settings } from '../model/settings.js'
import { type Contribution, createContributions, rateMessage, type Training } from '../model/training.js'
import type { RowReader } from '../ports/store.js'
import type { TabLink } from './link.js'
import { isRecord } from './shapes.js'

export interface RemoteTrainingParts {
  readonly link: TabLink
  readonly chats: Chats
  readonly settings: Settings
  readonly store: RowReader
  readonly feed: RowFeed
}

/** Training data in a tab that hasn't the database. */
export function createRemoteTraining({ link, chats, settings, store, feed }: RemoteTrainingParts): Training {
  return {
    ...createContributions(store, feed),
    consent: async () => (await settings.get(CONSENT_PREFERENCE)) === true,
    async setConsent(isGiven) {
      await settings.set(CONSENT_PREFERENCE, isGiven)
      await link.call('enforceConsent', [])
    },
    rate: (chat, messageId, quality) => rateMessage(chats, chat, messageId, quality),
    async submit(chat, messageId, quality) {
      const contribution = await link.call('submit', [chat, messageId, quality ?? null], 'kept')
      if (!isRecord(contribution))
        throw new SyncError('VALUE_INVALID', 'this contribution has been taken back')
      return contribution as unknown as Contribution
    },
    async revoke(id) {
      await link.call('revoke', [id], 'kept')
    },
  }
}

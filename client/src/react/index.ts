/**
 * React for a device's chats: a provider and hooks. Needs React 18 or 19. Everything is shown by `useSyncExternalStore`,
 * from what the model offers; nothing is opened before a component is mounted, nor kept after the last one has gone.
 */
export type { ChatResult } from './chat-parts.js'
export type { MessagesResult } from './messages-parts.js'
export { SyncProvider, type SyncProviderProps, useSyncClient } from './provider.js'
export type { Progress } from './result.js'
export { useChat } from './use-chat.js'
export { type ChatsResult, useChats } from './use-chats.js'
export { type HistoryResult, useHistory } from './use-history.js'
export { useMessages } from './use-messages.js'
export { type PresenceResult, usePresence } from './use-presence.js'
export { type SearchState, useSearch } from './use-search.js'
export { type SettingsResult, useSettings } from './use-settings.js'
export { type Unsaved, useSyncStatus, useUnsaved } from './use-sync-status.js'
export { type TrainingResult, useTraining } from './use-training.js'

export type { SyncErrorCode } from '@onyx-sync/shared'
export { SyncError } from '@onyx-sync/shared'
export { createMemoryStore } from './adapters/memory-store.js'
export { type WakeSources, wakeOnPlatformEvents } from './adapters/platform-wake.js'
export { ChatRow, MessageRow, onyxModels, SettingRow } from './adapters/watermelon/models.js'
export { onyxMigrations, onyxSchema, onyxTables } from './adapters/watermelon/schema.js'
export { watermelonStore } from './adapters/watermelon/store.js'
export {
  createWebSocketTransport,
  type WebSocketConstructor,
  type WebSocketLike,
} from './adapters/websocket-transport.js'
export { createSyncClient } from './client.js'
export type { Batching, EditRef, Heartbeat, SyncClient, SyncClientOptions, SyncStatus } from './client-api.js'
export type { EditState, RefusedEntry, RefusedExport } from './core/outbox-queries.js'
export type { DocumentPresence, PresenceState } from './core/presence-room.js'
export type { ConnectionState } from './core/session.js'
export type { ChatContent, ChatSummary, Chats } from './model/chats.js'
export type { Message, MessageRole, MessageStatus } from './model/message.js'
export type { JsonValue, Settings, SettingsContent } from './model/settings.js'
export type { StreamedMessage, StreamOptions } from './model/stream.js'
export type { Training } from './model/training.js'
export type * from './ports/store.js'
export type * from './ports/transport.js'

import './platform-at-import.js'

export type { EventVerifier, Member, Role, SyncErrorCode, VerifySchnorr } from '@onyx-sync/shared'
export { createSchnorrVerifier, SyncError } from '@onyx-sync/shared'
export { createMemoryStore } from './adapters/memory-store.js'
export { checkPlatform, type PlatformGlobals } from './adapters/platform-check.js'
export { type WakeSources, wakeOnPlatformEvents } from './adapters/platform-wake.js'
export { createUpgradingVerifier, type UpgradingVerifierOptions } from './adapters/upgrading-verifier.js'
export { ChatRow, MessageRow, onyxModels, SettingRow, TrainingRow } from './adapters/watermelon/models.js'
export { onyxMigrations, onyxSchema, onyxTables } from './adapters/watermelon/schema.js'
export { watermelonStore } from './adapters/watermelon/store.js'
export {
  createWebSocketTransport,
  type WebSocketConstructor,
  type WebSocketLike,
} from './adapters/websocket-transport.js'
export { createSyncClient } from './client.js'
export type { Batching, EditRef, Heartbeat, SyncClient, SyncClientOptions, SyncStatus } from './client-api.js'
export type { CheckpointOptions } from './core/checkpointer.js'
export type { CompactionOptions } from './core/compaction.js'
export type { HoldChoice } from './core/hold-choice.js'
export type { EditState, RefusedEntry, RefusedExport } from './core/outbox-queries.js'
export type { DocumentPresence, PresenceState } from './core/presence-room.js'
export type { SyncMode } from './core/server-info.js'
export type { ConnectionState } from './core/session-api.js'
export type { CheckingPolicy } from './core/unchecked.js'
export { accountDatabaseName } from './identity/account-database.js'
export { type Derivation, secretKeyFromMnemonic } from './identity/mnemonic.js'
export { type MoveReport, moveAccount } from './identity/move-account.js'
export {
  createNip55Signer,
  type Nip55SignerOptions,
  type SignerIntent,
  type SignerResult,
} from './identity/nip55-signer.js'
export {
  openStoredKeySigner,
  type SecretStorage,
  type StoredKeySigner,
  type StoredKeySignerOptions,
} from './identity/stored-key-signer.js'
export type { Chat } from './model/chat.js'
export type { MessageFields } from './model/chat-edits.js'
export type { ChatListOptions } from './model/chat-list-view.js'
export type { ChatSummary } from './model/chat-summary.js'
export type {
  ChatContent,
  Chats,
  MessageHit,
  NewChat,
  SearchOptions,
  SearchResult,
} from './model/chats-api.js'
export { exportToJson, exportToMarkdown } from './model/export-chats.js'
export type { ChatHistory, HistoryChange, HistoryEntry } from './model/history.js'
export type { ImportReport } from './model/import/import-chats.js'
export type {
  ImportedChat,
  ImportedData,
  ImportedMessage,
  ImportSource,
} from './model/import/imported-chat.js'
export { readImport } from './model/import/read-import.js'
export { importOnyx, type OnyxDatabase, type OnyxRow, readOnyxRows } from './model/import/read-onyx.js'
export type { JsonValue } from './model/json.js'
export type { Message, MessageRole, MessageStatus } from './model/message.js'
export type { MessagesOptions, MessagesView, MessageWindow } from './model/message-window.js'
export type { AnyPreferences, Settings, SettingsContent } from './model/settings.js'
export type { Sharing } from './model/sharing.js'
export type { StreamEnding, StreamedMessage, StreamOptions } from './model/streamed-message.js'
export type { ToolCall, ToolCallInput, ToolCallState, ToolCallStatus } from './model/tool-call.js'
export type { Contribution, Training } from './model/training.js'
export type { ContributionState } from './model/training-rows.js'
export type { View } from './model/view.js'
export type * from './ports/store.js'
export type * from './ports/transport.js'
export {
  createSyncService,
  type MergedChat,
  type PlainChat,
  type PlainMessage,
  type SyncService,
} from './sync-service.js'

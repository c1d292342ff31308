import { Model } from './watermelon.js'

// Plain accessors, no decorators: those need compiler options that apps may not have, and fail silently
// without them. The rows are read-only for apps: they are derived from the documents.

/** A row of `chats`; `id` is the chat's address (`30001:<owner>:<id>`). Times: ms since the Unix epoch. */
export class ChatRow extends Model {
  static override table = 'chats'
  static override associations = { messages: { type: 'has_many' as const, foreignKey: 'address' } }

  get address(): string {
    return this._getRaw('address') as string
  }
  get chatId(): string {
    return this._getRaw('chat_id') as string
  }
  /** Public key, 64 hex characters. */
  get owner(): string {
    return this._getRaw('owner') as string
  }
  get title(): string {
    return this._getRaw('title') as string
  }
  get titleSource(): string {
    return this._getRaw('title_source') as string
  }
  get model(): string {
    return this._getRaw('model') as string
  }
  get createdAt(): number {
    return this._getRaw('created_at') as number
  }
  get lastActivityAt(): number {
    return this._getRaw('last_activity_at') as number
  }
  get messageCount(): number {
    return this._getRaw('message_count') as number
  }
  get archived(): boolean {
    return this._getRaw('archived') as boolean
  }
  get deletedAt(): number | null {
    return this._getRaw('deleted_at') as number | null
  }
  /** Size of the body on the server while it isn't on this device; else null. */
  get bytes(): number | null {
    return this._getRaw('bytes') as number | null
  }
  /** Whether the messages are on this device. */
  get held(): boolean {
    return this._getRaw('held') as boolean
  }
}

/** A row of `messages`; `id` is `<address>/<messageId>`. Sort by `position`. Times: ms since the Unix epoch. */
export class MessageRow extends Model {
  static override table = 'messages'
  static override associations = { chats: { type: 'belongs_to' as const, key: 'address' } }

  /** Address of the chat; the `id` of its row in `chats`. */
  get address(): string {
    return this._getRaw('address') as string
  }
  get messageId(): string {
    return this._getRaw('message_id') as string
  }
  /** Place in the chat, from 0. */
  get position(): number {
    return this._getRaw('position') as number
  }
  get role(): string {
    return this._getRaw('role') as string
  }
  get content(): string {
    return this._getRaw('content') as string
  }
  get status(): string {
    return this._getRaw('status') as string
  }
  get createdAt(): number {
    return this._getRaw('created_at') as number
  }
  get editedAt(): number | null {
    return this._getRaw('edited_at') as number | null
  }
  /** Id of the device that wrote it; may be empty. */
  get device(): string {
    return this._getRaw('device') as string
  }
  /** Whether something of the message was too large for a row: read it with `chats.message`. */
  get partial(): boolean {
    return this._getRaw('partial') as boolean
  }
  /** All other fields of the message. Parsed on each read. */
  get data(): Record<string, unknown> {
    return JSON.parse(this._getRaw('data') as string)
  }
}

/** A row of `settings`; `id` is `<address>/<section>/<key>`. */
export class SettingRow extends Model {
  static override table = 'settings'

  get address(): string {
    return this._getRaw('address') as string
  }
  get section(): string {
    return this._getRaw('section') as string
  }
  get key(): string {
    return this._getRaw('key') as string
  }
  /** The value. Parsed on each read. */
  get value(): unknown {
    return JSON.parse(this._getRaw('value') as string)
  }
}

/** A row of `training`: what this device contributed. */
export class TrainingRow extends Model {
  static override table = 'training'

  /** Address of the chat. */
  get address(): string {
    return this._getRaw('address') as string
  }
  get messageId(): string {
    return this._getRaw('message_id') as string
  }
  /** 1 to 5. */
  get quality(): number {
    return this._getRaw('quality') as number
  }
  /** `waiting`, `sending`, `sent` or `refused`. */
  get state(): string {
    return this._getRaw('state') as string
  }
  get content(): string {
    return this._getRaw('content') as string
  }
  get createdAt(): number {
    return this._getRaw('created_at') as number
  }
  /** Empty before it is signed. */
  get eventId(): string {
    return this._getRaw('event_id') as string
  }
  get reason(): string {
    return this._getRaw('reason') as string
  }
}

// Internal tables are only ever read raw; WatermelonDB wants a model to query through.
class UpdateRow extends Model {
  static override table = 'sync_updates'
}
class OutboxRow extends Model {
  static override table = 'sync_outbox'
}
class DocumentRow extends Model {
  static override table = 'sync_documents'
}
class MetaRow extends Model {
  static override table = 'sync_meta'
}

/** Every model `watermelonStore` needs, for `new Database({ modelClasses })`. */
export const onyxModels = [
  ChatRow,
  MessageRow,
  SettingRow,
  TrainingRow,
  UpdateRow,
  OutboxRow,
  DocumentRow,
  MetaRow,
]

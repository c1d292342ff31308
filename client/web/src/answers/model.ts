import type { Message, ToolCallInput } from '@onyx-sync/client'

/** A piece of a reply, as it comes. */
export type ReplyPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'reasoning'; readonly text: string }
  | { readonly type: 'tool'; readonly call: ToolCallInput }
  | { readonly type: 'end'; readonly finishReason: string }

/** Something that answers. */
export interface Model {
  /** What a chat says it is held with. */
  readonly name: string
  /** Answers to the last of the messages. Rejects with an error in words for people; ends early when the signal says so. */
  answer(messages: readonly Message[], signal: AbortSignal): AsyncIterable<ReplyPart>
}

/** The built-in model, as chats name it. */
export const ECHO_NAME = 'echo'

import { getOrCreate } from '@onyx-sync/shared'
import { type Attempt, noteCall } from './attempt.js'
import { createStreamModel, type StreamModel } from './stream-model.js'

/**
 * The dumb reference model: what a history's user did, and what must therefore be there in the end. It knows
 * nothing of Yjs, events or networks.
 *
 * Every piece of text is unique, so that losing and doubling can be told apart. A call that has not returned
 * (the device was killed meanwhile) may have happened or not; one that has returned must have happened.
 */
export interface ReferenceModel {
  /** A message is being sent.  */
  sending(by: Author, messageId: string, token: string): Attempt
  /** A message is being begun that is written bit by bit. */
  streaming(by: Author, messageId: string): StreamAttempt
  /** A piece of text is being put into a message. */
  inserting(by: Author, messageId: string, token: string): Attempt
  deleting(by: Author, messageId: string): Attempt
  /** All messages that are in a chat somewhere are being deleted: which those are is not known. */
  clearing(chat: string): void
  setting(account: string, key: string, value: string): Attempt
  /** The owner decides what a key may do in a chat. */
  deciding(chat: string, key: string, role: Decision): Attempt
  /** The owner deletes the chat for good. */
  deletingChat(chat: string): Attempt
  /** Whether it is right that the chat is gone, or that it is there. @returns what is wrong */
  checkDeleted(chat: string, isDeleted: boolean): string[]
  /** A device of the account was set back, to a backup of its own or to that of another one. */
  setBack(account: string, isSame: boolean): void
  /** Messages that may be edited or deleted: sent, by calls that have returned. */
  messagesOf(chat: string): string[]
  /**
   * From now on the edits of this account to this chat may be missing: it lost the right to write there, and
   * the server refuses what it had not sent.
   */
  excuse(chat: string, account: string): void
  /** From now on anything may be missing, or be there still: it was lost with the disks that it was on. */
  excuseAll(): void
  /** What is wrong with the messages found at the end; empty when nothing is. */
  checkChat(chat: string, found: readonly FoundMessage[]): string[]
  /** Nobody is let in, or removed, whom nobody meant: a role that was given stays until it is taken. */
  checkMembers(chat: string, found: ReadonlyMap<string, Decision>): string[]
  checkSettings(account: string, found: Readonly<Record<string, unknown>>): string[]
}

/** What a key may do in a chat; `none` when it was removed. */
export type Decision = 'read' | 'write' | 'none'

/** Who edits, and where. */
export interface Author {
  readonly chat: string
  readonly account: string
}

/** A message that is written bit by bit. */
export interface StreamAttempt extends Attempt {
  /** A piece of text is being added, behind those before. */
  pushing(token: string): void
  /** All that was pushed so far is where it stays. */
  kept(): void
  /** It is being ended. Returns: it is all there, with this status. */
  ending(status: string): Attempt
}

/** A message as the world has it at the end. */
export interface FoundMessage {
  readonly id: string
  readonly content: string
  readonly status: string
}

/** `certain` for one account: unless that account is excused. */
type Certainty = 'attempted' | { readonly certainFor: string }

interface ModelMessage {
  sent: Certainty
  /** One for each call that did not say that there was nothing to delete. */
  readonly deletions: Map<symbol, Certainty>
  readonly tokens: Map<string, Certainty>
  /** Of one that is streamed. */
  readonly stream?: StreamModel
}

/** What separates pieces of text; no piece contains it. */
const TOKEN = /<[^<>]*>/g

export function createReferenceModel(): ReferenceModel {
  const chats = new Map<string, Map<string, ModelMessage>>()
  const settings = new Map<string, Map<string, Map<string, Certainty>>>()

  function messages(chat: string): Map<string, ModelMessage> {
    let found = chats.get(chat)
    if (found === undefined) {
      found = new Map()
      chats.set(chat, found)
    }
    return found
  }

  const excused = new Set<string>()
  /** An entry for each call that deletes a chat, and did not say that there was nothing to delete. */
  const chatDeletions = new Map<string, Map<symbol, 'attempted' | 'certain'>>()
  /** What was decided about each key, by chat: an entry for each call that did not say that it was nothing. */
  const decisions = new Map<string, Map<string, { role: Decision; isCertain: boolean }[]>>()

  let isAllExcused = false

  function isCertain(chat: string, certainty: Certainty | undefined): boolean {
    if (isAllExcused || certainty === undefined || certainty === 'attempted') return false
    return !excused.has(`${chat} ${certainty.certainFor}`)
  }

  function checkMessage(
    chat: string,
    message: ModelMessage,
    id: string,
    copies: readonly FoundMessage[],
  ): string[] {
    const problems: string[] = []
    if (copies.length > 1) problems.push(`message ${id} is there ${copies.length} times`)
    const deletions = [...message.deletions.values()]
    if (copies.length > 0 && deletions.some((certainty) => isCertain(chat, certainty)))
      problems.push(`message ${id} was deleted and is there`)
    if (copies.length === 0 && deletions.length === 0 && isCertain(chat, message.sent)) {
      problems.push(`message ${id} is lost`)
    }
    const content = copies[0]?.content
    if (content === undefined) return problems
    const counts = new Map<string, number>()
    for (const [token] of content.matchAll(TOKEN)) counts.set(token, (counts.get(token) ?? 0) + 1)
    for (const [token, certainty] of message.tokens) {
      const count = counts.get(token) ?? 0
      if (count > 1) problems.push(`text ${token} of message ${id} is there ${count} times`)
      if (count === 0 && isCertain(chat, certainty)) problems.push(`text ${token} of message ${id} is lost`)
      counts.delete(token)
    }
    for (const token of counts.keys()) problems.push(`text ${token} of message ${id} was never written`)
    const { stream } = message
    if (stream !== undefined) {
      // Whoever may not write any more can't say either that it has come to an end.
      const mayGoOn = isAllExcused || excused.has(`${chat} ${stream.account}`)
      const { content: text = '', status = '' } = copies[0] ?? {}
      const found = { tokens: text.match(TOKEN) ?? [], status }
      problems.push(...stream.check(found, mayGoOn).map((problem) => `message ${id} ${problem}`))
    }
    if (content.replace(TOKEN, '') !== '') problems.push(`message ${id} holds broken text: ${content}`)
    return problems
  }

  function streams(): StreamModel[] {
    return [...chats.values()].flatMap((ofChat) => [...ofChat.values()].flatMap(({ stream }) => stream ?? []))
  }

  return {
    excuse(chat, account) {
      excused.add(`${chat} ${account}`)
    },
    sending({ chat, account }, messageId, token) {
      const message: ModelMessage = {
        sent: 'attempted',
        deletions: new Map(),
        tokens: new Map([[token, { certainFor: account }]]),
      }
      messages(chat).set(messageId, message)
      return {
        returned() {
          message.sent = { certainFor: account }
        },
        declined() {
          messages(chat).delete(messageId)
        },
      }
    },
    streaming({ chat, account }, messageId) {
      const stream = createStreamModel(account)
      const message: ModelMessage = { sent: 'attempted', deletions: new Map(), tokens: new Map(), stream }
      messages(chat).set(messageId, message)
      const kept = () => {
        for (const token of stream.pushed) message.tokens.set(token, { certainFor: account })
      }
      return {
        returned() {
          message.sent = { certainFor: account }
        },
        declined() {
          messages(chat).delete(messageId)
        },
        pushing(token) {
          stream.pushing(token)
          message.tokens.set(token, 'attempted')
        },
        kept,
        ending(status) {
          const ending = stream.ending(status)
          return {
            ...ending,
            returned() {
              kept()
              ending.returned()
            },
          }
        },
      }
    },
    inserting: ({ chat, account }, messageId, token) =>
      attempt(messages(chat).get(messageId)?.tokens, token, account),
    deleting({ chat, account }, messageId) {
      const deletions = messages(chat).get(messageId)?.deletions
      return noteCall<Certainty>(deletions, 'attempted', { certainFor: account })
    },
    clearing(chat) {
      for (const { deletions } of messages(chat).values()) deletions.set(Symbol('clearing'), 'attempted')
    },
    deletingChat(chat) {
      const calls = getOrCreate(chatDeletions, chat, () => new Map<symbol, 'attempted' | 'certain'>())
      return noteCall(calls, 'attempted', 'certain')
    },
    checkDeleted(chat, isDeleted) {
      const calls = [...(chatDeletions.get(chat)?.values() ?? [])]
      if (isDeleted && calls.length === 0) return [`${chat} was deleted by nobody, and is gone`]
      if (!isDeleted && calls.includes('certain') && !isAllExcused)
        return [`${chat} was deleted for good, and is there`]
      return []
    },
    setting(account, key, value) {
      const keys = settings.get(account) ?? new Map<string, Map<string, Certainty>>()
      settings.set(account, keys)
      const values = keys.get(key) ?? new Map<string, Certainty>()
      keys.set(key, values)
      return attempt(values, value, account)
    },
    deciding(chat, key, role) {
      const byKey = decisions.get(chat) ?? new Map<string, { role: Decision; isCertain: boolean }[]>()
      decisions.set(chat, byKey)
      const list = byKey.get(key) ?? []
      byKey.set(key, list)
      const decision = { role, isCertain: false }
      list.push(decision)
      return {
        returned() {
          decision.isCertain = true
        },
        declined() {
          list.splice(list.indexOf(decision), 1)
        },
      }
    },
    checkMembers(chat, found) {
      const problems: string[] = []
      for (const [key, list] of decisions.get(chat) ?? []) {
        const role = found.get(key) ?? 'none'
        const isGiven =
          !isAllExcused && list.some((decision) => decision.isCertain && decision.role !== 'none')
        const isTaken = list.some((decision) => decision.role === 'none')
        if (role === 'none' && isGiven && !isTaken) problems.push(`${chat}: ${key} was let in and is out`)
        if (role !== 'none' && !list.some((decision) => decision.role === role))
          problems.push(`${chat}: ${key} has the role ${role}, which nobody gave`)
      }
      for (const [key, role] of found) {
        if (role !== 'none' && decisions.get(chat)?.has(key) !== true)
          problems.push(`${chat}: ${key} is a member whom nobody let in`)
      }
      return problems
    },
    setBack(account, isSame) {
      for (const stream of streams()) if (stream.account === account) stream.setBack(isSame)
    },
    excuseAll() {
      isAllExcused = true
      for (const stream of streams()) stream.setBack(false)
    },
    messagesOf: (chat) =>
      [...messages(chat)].filter(([, message]) => message.sent !== 'attempted').map(([id]) => id),
    checkChat(chat, found) {
      const known = messages(chat)
      const problems: string[] = []
      for (const [id, message] of known) {
        problems.push(
          ...checkMessage(
            chat,
            message,
            id,
            found.filter((candidate) => candidate.id === id),
          ),
        )
      }
      for (const { id } of found) if (!known.has(id)) problems.push(`message ${id} was never sent`)
      return problems.map((problem) => `${chat}: ${problem}`)
    },
    checkSettings(account, found) {
      const problems: string[] = []
      for (const [key, values] of settings.get(account) ?? []) {
        const value = found[key]
        if (value === undefined) {
          if (!isAllExcused && [...values.values()].some((certainty) => certainty !== 'attempted'))
            problems.push(`setting ${key} of ${account} is lost`)
        } else if (!values.has(String(value))) {
          problems.push(`setting ${key} of ${account} has a value that nobody set: ${String(value)}`)
        }
      }
      return problems
    },
  }
}

function attempt(certainties: Map<string, Certainty> | undefined, key: string, account: string): Attempt {
  certainties?.set(key, 'attempted')
  return {
    returned() {
      certainties?.set(key, { certainFor: account })
    },
    declined() {
      certainties?.delete(key)
    },
  }
}

import { SyncError } from '@onyx-sync/shared'
import type * as Y from 'yjs'
import { isSameJson, type JsonValue, toJsonValue } from './json.js'
import { redactSecrets } from './secrets.js'

/** How far the call is: its arguments are still being written, it was made, or its result is there. */
export type ToolCallState = 'partial-call' | 'call' | 'result'

/** How the call goes. */
export type ToolCallStatus = 'pending' | 'completed' | 'failed'

/** A call of a tool inside a message. Keys that this version doesn't know are carried along. */
export interface ToolCall {
  /** The model's id of the call, 1–128 characters; one call per id in a message. */
  readonly id: string
  readonly name: string
  readonly state: ToolCallState
  readonly status: ToolCallStatus
  readonly args?: JsonValue
  /** Up to 512 KiB as JSON. */
  readonly result?: JsonValue
  readonly [key: string]: JsonValue | undefined
}

/** What is known of a call now; what is left out stays as it was. */
export interface ToolCallInput {
  readonly id: string
  /** Needed the first time. */
  readonly name?: string
  /** @default `result` once there is one, else `call` */
  readonly state?: ToolCallState
  /** @default `completed` once there is a result, else `pending` */
  readonly status?: ToolCallStatus
  readonly args?: JsonValue
  readonly result?: JsonValue
  readonly [key: string]: JsonValue | undefined
}

/** Most that a result may take, bytes of JSON. A map's value can't be cut into several events. */
export const MAX_TOOL_RESULT_BYTES = 524_288
const STATES: readonly string[] = ['partial-call', 'call', 'result']
const STATUSES: readonly string[] = ['pending', 'completed', 'failed']

/*
 * In the message's map a call has up to three entries. None is a nested type, so two devices that write to one call
 * offline can't create it twice and lose a side (trap Y7), and a status can change without its result being written
 * again.
 */
const HEAD = 'tool:'
const ARGS = 'tool-args:'
const RESULT = 'tool-result:'

/** Takes the entries of tool calls out of a message as JSON. */
export function readToolCalls(json: Readonly<Record<string, unknown>>): {
  readonly rest: Record<string, unknown>
  readonly tools: readonly ToolCall[]
} {
  const rest: Record<string, unknown> = {}
  const found: [number, string, ToolCall][] = []
  for (const [key, value] of Object.entries(json)) {
    if (key.startsWith(HEAD) && isRecord(value)) {
      const id = key.slice(HEAD.length)
      const { order, ...head } = value
      const args = json[ARGS + id]
      const result = json[RESULT + id]
      const call = {
        ...head,
        id,
        ...(args === undefined ? {} : { args }),
        ...(result === undefined ? {} : { result }),
      }
      found.push([typeof order === 'number' ? order : 0, id, call as ToolCall])
    } else if (!isPartOfCall(key, json)) rest[key] = value
  }
  found.sort(([a, idA], [b, idB]) => a - b || (idA < idB ? -1 : 1))
  const { tools: foreign, ...others } = rest
  if (!Array.isArray(foreign)) return { rest, tools: found.map(([, , call]) => call) }
  return { rest: others, tools: [...(foreign as ToolCall[]), ...found.map(([, , call]) => call)] }
}

function isPartOfCall(key: string, json: Readonly<Record<string, unknown>>): boolean {
  const id = key.startsWith(ARGS)
    ? key.slice(ARGS.length)
    : key.startsWith(RESULT)
      ? key.slice(RESULT.length)
      : ''
  return id !== '' && isRecord(json[HEAD + id])
}

/**
 * A call as it may be written: checked, and without what looks like a key or a token. Throws `VALUE_INVALID`.
 * @param isKnown whether the message has this call already, and so its name
 */
export function checkToolCall(input: ToolCallInput, isKnown: boolean): ToolCallInput {
  const { id, name, state, status, args, result, ...others } = input
  if (typeof id !== 'string' || id.length < 1 || id.length > 128)
    throw new SyncError('VALUE_INVALID', 'the id of a tool call has 1–128 characters')
  const what = `the tool call ${JSON.stringify(id)}`
  if (!isKnown && typeof name !== 'string')
    throw new SyncError('VALUE_INVALID', `${what} needs the name of its tool`)
  checkOneOf(state, STATES)
  checkOneOf(status, STATUSES)
  const checked = {
    ...(clean(others, what) as Record<string, JsonValue>),
    id,
    ...(name === undefined ? {} : { name }),
    ...(state === undefined ? {} : { state }),
    ...(status === undefined ? {} : { status }),
    ...(args === undefined ? {} : { args: clean(args, `the arguments of ${what}`) }),
    ...(result === undefined ? {} : { result: clean(result, `the result of ${what}`) }),
  }
  if (result !== undefined) checkSize(id, checked.result as JsonValue)
  return checked
}

function checkOneOf(value: string | undefined, known: readonly string[]): void {
  if (value === undefined || known.includes(value)) return
  throw new SyncError('VALUE_INVALID', `a tool call is ${known.join(', ')}, not ${JSON.stringify(value)}`)
}

/** Writes what is known of a call into a message's map, which is in a document. Throws `VALUE_INVALID`. */
export function writeToolCall(map: Y.Map<unknown>, input: ToolCallInput): void {
  const before = map.get(HEAD + input.id)
  const known = isRecord(before) ? before : undefined
  const { id, args, result, ...news } = checkToolCall(input, known !== undefined)
  const isThere = result !== undefined
  const head = {
    order: countCalls(map),
    ...known,
    ...news,
    state: news.state ?? (isThere ? 'result' : (known?.state ?? 'call')),
    status: news.status ?? (isThere ? 'completed' : (known?.status ?? 'pending')),
  }
  setIfNew(map, HEAD + id, head)
  if (args !== undefined) setIfNew(map, ARGS + id, args)
  if (result !== undefined) setIfNew(map, RESULT + id, result)
}

function clean(value: unknown, what: string): JsonValue {
  return redactSecrets(toJsonValue(value, what))
}

function checkSize(id: string, result: JsonValue): void {
  const bytes = new TextEncoder().encode(JSON.stringify(result)).byteLength
  if (bytes <= MAX_TOOL_RESULT_BYTES) return
  throw new SyncError(
    'VALUE_INVALID',
    `the result of the tool call ${JSON.stringify(id)} has ${bytes} bytes; ${MAX_TOOL_RESULT_BYTES} is the most: keep a summary of it`,
  )
}

function countCalls(map: Y.Map<unknown>): number {
  let count = 0
  for (const key of map.keys()) if (key.startsWith(HEAD)) count++
  return count
}

function setIfNew(map: Y.Map<unknown>, key: string, value: unknown): void {
  if (!isSameJson(map.get(key), value)) map.set(key, value)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

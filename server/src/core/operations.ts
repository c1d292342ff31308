import { isHex64, SyncError } from '@onyx-sync/shared'
import type { ModerationStore } from '../ports/moderation-store.js'
import type { OperableLog } from '../ports/operable-log.js'
import { backupLines } from './backup-lines.js'
import { documentLines, eventLines, overviewLines, trainingLines } from './inspect.js'

/** What an operator's command asks of a log, be it open in the command itself or in a running server. */
export type OperationRequest =
  /** Everything of the log, events after a position only, and what operators decided. */
  | { readonly op: 'backup'; readonly after: number }
  /** What is in it; `top` documents and accounts by name. */
  | { readonly op: 'overview'; readonly top: number }
  | { readonly op: 'document'; readonly address: string }
  | { readonly op: 'event'; readonly id: string }
  /** Training data contributions. */
  | { readonly op: 'training' }
  /** Rewrites its files without what was deleted. */
  | { readonly op: 'compact' }

/** What operations are done to. */
export interface OperatedData {
  readonly log: OperableLog
  /** What the operators decided, which is kept beside the log. */
  readonly moderation: Pick<ModerationStore, 'load'>
}

/** Answers a request with lines of JSON. */
export function runOperation(
  { log, moderation }: OperatedData,
  request: OperationRequest,
): AsyncIterable<string> {
  switch (request.op) {
    case 'backup':
      return backupLines(log, moderation, request.after)
    case 'overview':
      return overviewLines(log, request.top)
    case 'document':
      return documentLines(log, request.address)
    case 'event':
      return eventLines(log, request.id)
    case 'training':
      return trainingLines(log)
    case 'compact':
      return compactLines(log)
  }
}

/** Compacts, and tells in one line what the files took before and take now. */
async function* compactLines(log: OperableLog): AsyncGenerator<string> {
  const before = await log.diskUse()
  await log.compact()
  yield JSON.stringify({ before, after: await log.diskUse() })
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0

/** What each request must carry. */
const FIELDS: Readonly<
  Record<OperationRequest['op'], Readonly<Record<string, (value: unknown) => boolean>>>
> = {
  backup: { after: isCount },
  overview: { top: isCount },
  document: { address: (value) => typeof value === 'string' },
  event: { id: isHex64 },
  training: {},
  compact: {},
}

/** Checks a request that came from another process. Throws `CONFIG_INVALID`. */
export function parseOperation(value: unknown): OperationRequest {
  const request = value as Readonly<Record<string, unknown>> | null
  const op = String(request?.op)
  const fields = Object.hasOwn(FIELDS, op) ? FIELDS[op as OperationRequest['op']] : undefined
  if (fields !== undefined && Object.entries(fields).every(([name, fits]) => fits(request?.[name]))) {
    return request as unknown as OperationRequest
  }
  throw new SyncError(
    'CONFIG_INVALID',
    'the server on this data does not know the request: use the command of the same version as the server',
  )
}

import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { toSyncError } from '@onyx-sync/shared'

/** Content type of a call and its answer (NIP-86). */
export const MANAGEMENT_TYPE = 'application/nostr+json+rpc'

/** A call is a name and a few values. */
const MAX_BODY_BYTES = 64 * 1024
/** How long the body of a call may take, milliseconds. */
const BODY_TIMEOUT_MS = 10_000

export interface ManagementHttpOptions {
  /** @returns the key that authorizes a request. Throws a `SyncError` that says what is wrong. */
  authorize(request: {
    readonly authorization: string | undefined
    readonly method: string
    readonly bodyHash: string
  }): string
  call(call: { readonly method: unknown; readonly params: unknown }, operator: string): Promise<object>
}

/** Whether a request is a call of the management API. */
export function isManagementRequest({ method, headers }: IncomingMessage): boolean {
  return method === 'POST' && headers['content-type']?.split(';')[0]?.trim().toLowerCase() === MANAGEMENT_TYPE
}

/** Answers calls of the management API: 401 without a valid authorization, 400 and 413 for bodies that are none. */
export function createManagementHandler({ authorize, call }: ManagementHttpOptions) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const answer = (status: number, body: object): void => {
      if (response.headersSent || response.destroyed) return
      response.writeHead(status, {
        'Access-Control-Allow-Origin': '*',
        'Cache-Control': 'no-store',
        'Content-Type': MANAGEMENT_TYPE,
        'X-Content-Type-Options': 'nosniff',
      })
      response.end(JSON.stringify(body))
    }
    const refuse = (status: number, error: string): void => answer(status, { result: null, error })

    let body: Buffer | undefined
    try {
      body = await readBody(request)
    } catch {
      request.destroy()
      return
    }
    if (body === undefined) {
      response.setHeader('Connection', 'close')
      return refuse(413, `a call has at most ${MAX_BODY_BYTES} bytes`)
    }
    let operator: string
    try {
      const bodyHash = createHash('sha256').update(body).digest('hex')
      operator = authorize({ authorization: request.headers.authorization, method: 'POST', bodyHash })
    } catch (error) {
      response.setHeader('WWW-Authenticate', 'Nostr')
      return refuse(401, toSyncError(error).message)
    }
    const parsed = parseCall(body)
    if (parsed === undefined) return refuse(400, 'a call is {"method": "<name>", "params": [...]}')
    answer(200, await call(parsed, operator))
  }
}

function parseCall(body: Buffer): { method: unknown; params: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    const { method, params = [] } = value as Record<string, unknown>
    return { method, params }
  } catch {
    return undefined
  }
}

/** The body; undefined where it is too large. Rejects where it does not come. */
function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    const timer = setTimeout(() => reject(new Error('too slow')), BODY_TIMEOUT_MS)
    request.on('data', (chunk: Buffer) => {
      length += chunk.byteLength
      if (length > MAX_BODY_BYTES) {
        clearTimeout(timer)
        resolve(undefined)
        // What comes is read and dropped, so that the answer gets through.
        chunks.length = 0
      } else chunks.push(chunk)
    })
    request.on('end', () => {
      clearTimeout(timer)
      resolve(Buffer.concat(chunks))
    })
    request.on('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
    request.on('close', () => clearTimeout(timer))
  })
}

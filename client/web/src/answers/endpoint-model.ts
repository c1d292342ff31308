import type { Message } from '@onyx-sync/client'
import type { Model, ReplyPart } from './model.js'

/** Where an OpenAI-compatible model is. The key is this device's own: it is sent to that place and nowhere else. */
export interface Endpoint {
  /** As in `https://api.example.com/v1`. */
  readonly url: string
  readonly model: string
  /** Empty where none is needed, such as for a model on one's own machine. */
  readonly apiKey: string
}

/** So much of what a server says that is no reply. Characters. */
const MAX_REASON = 300

interface Chunk {
  readonly choices?: readonly {
    readonly delta?: { readonly content?: string | null; readonly reasoning_content?: string | null }
    readonly finish_reason?: string | null
  }[]
  readonly error?: { readonly message?: string }
}

/** A model behind the chat completions API that most servers of models offer, streaming. */
export function createEndpointModel({ url, model, apiKey }: Endpoint): Model {
  return {
    name: model,
    async *answer(messages, signal) {
      const response = await ask(`${url.replace(/\/+$/, '')}/chat/completions`, {
        method: 'POST',
        signal,
        headers: {
          'Content-Type': 'application/json',
          ...(apiKey === '' ? {} : { Authorization: `Bearer ${apiKey}` }),
        },
        body: JSON.stringify({ model, stream: true, messages: messages.map(toPlain) }),
      })
      for await (const data of events(response)) yield* partsOf(data)
    },
  }
}

/** Throws in words that say what to do, and never hold the key. */
async function ask(url: string, request: RequestInit): Promise<Response> {
  let response: Response
  try {
    response = await fetch(url, request)
  } catch (cause) {
    if (request.signal?.aborted) throw cause
    const { origin } = new URL(url)
    throw new Error(
      `${origin} can't be reached from this page: it is down, doesn't allow other sites (CORS), or this server's policy doesn't name it (start it with --web-connect ${origin})`,
    )
  }
  if (response.ok) return response
  const text = (await response.text().catch(() => '')).slice(0, MAX_REASON)
  throw new Error(`${new URL(url).host} answered ${response.status}${text === '' ? '' : `: ${text}`}`)
}

function toPlain({ role, content }: Message) {
  // What a tool said is no message of its own for a model that hasn't called it.
  return { role: role === 'tool' ? 'user' : role, content }
}

function* partsOf(data: string): Generator<ReplyPart> {
  const { choices, error } = JSON.parse(data) as Chunk
  if (error !== undefined) throw new Error(error.message ?? 'the model failed')
  const [choice] = choices ?? []
  const { content, reasoning_content: reasoning } = choice?.delta ?? {}
  if (reasoning) yield { type: 'reasoning', text: reasoning }
  if (content) yield { type: 'text', text: content }
  if (choice?.finish_reason) yield { type: 'end', finishReason: choice.finish_reason }
}

/** The data of server-sent events, up to the `[DONE]` that ends them. */
async function* events(response: Response): AsyncGenerator<string> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const read = await reader?.read()
    if (read === undefined || read.done) return
    const lines = (rest + read.value).split(/\r?\n/)
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const data = /^data:\s*(.+)$/.exec(line)?.[1]
      if (data === '[DONE]') return
      if (data !== undefined) yield data
    }
  }
}

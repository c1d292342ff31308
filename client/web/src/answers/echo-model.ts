import type { Message } from '@onyx-sync/client'
import { ECHO_NAME, type Model, type ReplyPart } from './model.js'

/** Between two words, as a model on a fast machine. Milliseconds. */
const WORD_MS = 28

const INTRODUCTION = `I'm the built-in echo: I run in this page, need no key, and repeat what I read. \
Connect a real model in **Settings → Model**.`

const EXAMPLE = `Replies are Markdown. A list:

- **Kept** on this device as soon as it is shown
- *Saved* once it is on the server's disk
- ~~Lost~~ never

A table:

| State | Where it is |
|---|---|
| On this device | in the browser's database |
| Sent | on its way |
| Saved | on the server's disk |

And code:

\`\`\`ts
const reply = await client.chats.stream('oslo')
for await (const token of tokens) reply.push(token)
await reply.complete()
\`\`\`
`

/** A model that needs nothing and nobody: it streams back what it was told. */
export function createEchoModel(wordMs = WORD_MS): Model {
  return {
    name: ECHO_NAME,
    async *answer(messages, signal) {
      const text = messages.at(-1)?.content.trim() ?? ''
      yield* spoken(scriptFor(text, messages), wordMs, signal)
      yield { type: 'end', finishReason: signal.aborted ? 'aborted' : 'stop' }
    },
  }
}

/** What is said to a text, in pieces that are then spoken word by word. */
function scriptFor(text: string, messages: readonly Message[]): ReplyPart[] {
  if (/\btable\b|\bcode\b|markdown/i.test(text)) return [{ type: 'text', text: EXAMPLE }]
  if (/\b(time|tool|clock)\b/i.test(text)) return toolScript()
  const quoted = text.replace(/^/gm, '> ')
  const isFirst = messages.filter(({ role }) => role === 'user').length === 1
  return [{ type: 'text', text: `You said:\n\n${quoted}\n${isFirst ? `\n${INTRODUCTION}` : ''}` }]
}

function toolScript(): ReplyPart[] {
  const now = new Date()
  const id = `clock-${now.getTime()}`
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone
  return [
    { type: 'reasoning', text: 'The question is about the time. I have a clock, so I look at it first.' },
    { type: 'tool', call: { id, name: 'clock', args: { zone } } },
    { type: 'tool', call: { id, name: 'clock', result: { iso: now.toISOString(), zone } } },
    {
      type: 'text',
      text: `It is **${now.toLocaleTimeString()}** where you are (${zone}), by this device's clock.`,
    },
  ]
}

async function* spoken(
  script: readonly ReplyPart[],
  wordMs: number,
  signal: AbortSignal,
): AsyncGenerator<ReplyPart> {
  for (const part of script) {
    const words = 'text' in part ? part.text.split(/(?<=\s)(?=\S)/) : ['']
    for (const text of words) {
      if (signal.aborted) return
      await pause(part.type === 'tool' ? wordMs * 10 : wordMs)
      yield 'text' in part ? { ...part, text } : part
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

import { askFrame, type DemoStep, sendStep } from './demo.js'

/** Long enough to see what has happened. Milliseconds. */
const BEAT_MS = 1_600

const FIRST = 'What should I pack for Oslo?'

/** A conflict from beginning to end: on which device what is done, and what is said to it. */
function script(
  id: string,
): readonly { readonly say: string; readonly left?: DemoStep[]; readonly right?: DemoStep[] }[] {
  const show: DemoStep = { do: 'show', id }
  const offline: DemoStep = { do: 'network', isOn: false }
  const online: DemoStep = { do: 'network', isOn: true }
  const begin: DemoStep = {
    do: 'begin',
    id,
    title: 'Oslo',
    text: FIRST,
    reply: 'A rain jacket, and layers.',
  }
  return [
    { say: 'Both are online.', left: [online], right: [online] },
    { say: 'The phone begins a chat.', left: [begin, show] },
    { say: 'The laptop has it at once.', right: [show] },
    { say: 'Both lose their network.', left: [offline], right: [offline] },
    {
      say: 'Both change the same message, and more.',
      left: [
        { do: 'edit', id, text: `${FIRST} It is May.` },
        { do: 'rename', id, title: 'Oslo in May' },
      ],
      right: [
        { do: 'edit', id, text: `Hello! ${FIRST}` },
        { do: 'send', id, text: 'And for Bergen?' },
      ],
    },
    { say: 'Neither knows of the other. All of it is kept, and not saved yet.' },
    { say: 'The network is back.', left: [online], right: [online] },
  ]
}

/** Plays it in two frames. `say` is told what is being done; it ends early, without harm, when the signal says so. */
export async function runDemo(
  left: HTMLIFrameElement,
  right: HTMLIFrameElement,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const id = `demo-${Date.now().toString(36)}`
  for (const step of script(id)) {
    if (signal.aborted) return
    say(step.say)
    for (const [frame, steps] of [
      [left, step.left ?? []],
      [right, step.right ?? []],
    ] as const) {
      for (const one of steps) {
        sendStep(frame, one)
        // A chat is there before it is shown, or changed.
        await new Promise((resolve) => setTimeout(resolve, BEAT_MS / 4))
      }
    }
    await new Promise((resolve) => setTimeout(resolve, BEAT_MS))
  }
  const isSame = await areSame(left, right, id, signal)
  if (signal.aborted) return
  say(
    isSame
      ? 'Both have come to the same: every change of both is in it.'
      : 'They haven’t come to the same yet: the server can’t be reached.',
  )
}

/** How often it is asked whether what one has sent has reached the other. */
const ASKS = 20

async function areSame(
  left: HTMLIFrameElement,
  right: HTMLIFrameElement,
  id: string,
  signal: AbortSignal,
): Promise<boolean> {
  for (let asks = 0; asks < ASKS && !signal.aborted; asks++) {
    const [a, b] = await Promise.all([askFrame(left, id, signal), askFrame(right, id, signal)])
    if (a?.isSynced !== true || b?.isSynced !== true) return false
    if (a.chat === b.chat) return true
    await new Promise((resolve) => setTimeout(resolve, BEAT_MS / 4))
  }
  return false
}

import { type RefObject, useEffect, useRef, useState } from 'react'
import { Icon } from '../parts/icon.js'
import { Logo } from '../parts/logo.js'
import { forgetPair, preparePair } from './pair.js'
import { runDemo } from './run-demo.js'

const STEPS = [
  'Write a message on the phone. It is on the laptop at once.',
  'Switch the network off on both.',
  'Edit the same message on both, rename the chat on one, write on the other.',
  'Switch the network on again, and watch both come to the same.',
]

/** Two devices of one account on one page, each with a database and a network switch of its own. */
export function TwoDevices() {
  /** Counts accounts; undefined while the frames are gone. */
  const [round, setRound] = useState<number | undefined>(0)
  const [said, setSaid] = useState('')
  const [isPlaying, setPlaying] = useState(false)
  const [left, right] = [useRef<HTMLIFrameElement>(null), useRef<HTMLIFrameElement>(null)]
  const playing = useRef<AbortController>(undefined)

  useEffect(() => () => playing.current?.abort(), [])

  async function play() {
    if (left.current === null || right.current === null) return
    const controller = new AbortController()
    playing.current = controller
    setPlaying(true)
    await runDemo(left.current, right.current, setSaid, controller.signal)
    setPlaying(false)
  }

  async function startOver() {
    playing.current?.abort()
    setSaid('')
    setRound(undefined)
    // The frames let go of their databases first.
    await new Promise((resolve) => setTimeout(resolve))
    await forgetPair()
    await preparePair()
    setRound((round ?? 0) + 1)
  }

  return (
    <main className="two">
      <header className="two-head">
        <Logo />
        <h1>Two devices, one account</h1>
        <span className="spacer" />
        <button type="button" className="button primary" disabled={isPlaying} onClick={() => void play()}>
          <Icon name="columns" size={18} /> Show me a conflict
        </button>
        <button type="button" className="button" onClick={() => void startOver()}>
          <Icon name="restore" size={18} /> Start over
        </button>
        <a className="button" href="/">
          To your chats
        </a>
      </header>
      {said === '' ? (
        <ol className="steps">
          {STEPS.map((step) => (
            <li key={step}>{step}</li>
          ))}
        </ol>
      ) : (
        <p className="said" role="status">
          {said}
        </p>
      )}
      <div className="frames">
        <Frame name="left" title="Phone" round={round} frame={left} />
        <Frame name="right" title="Laptop" round={round} frame={right} />
      </div>
    </main>
  )
}

function Frame({
  name,
  title,
  round,
  frame,
}: {
  readonly name: string
  readonly title: string
  readonly round: number | undefined
  readonly frame: RefObject<HTMLIFrameElement | null>
}) {
  return (
    <section className="frame">
      <h2>{title}</h2>
      {round !== undefined && <iframe ref={frame} key={round} src={`/?device=${name}`} title={title} />}
    </section>
  )
}

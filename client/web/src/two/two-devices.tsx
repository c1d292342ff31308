import { useState } from 'react'
import { Icon } from '../parts/icon.js'
import { Logo } from '../parts/logo.js'
import { forgetPair, preparePair } from './pair.js'

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

  async function startOver() {
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
        <button type="button" className="button" onClick={() => void startOver()}>
          <Icon name="restore" size={18} /> Start over
        </button>
        <a className="button" href="/">
          To your chats
        </a>
      </header>
      <ol className="steps">
        {STEPS.map((step) => (
          <li key={step}>{step}</li>
        ))}
      </ol>
      <div className="frames">
        <Frame name="left" title="Phone" round={round} />
        <Frame name="right" title="Laptop" round={round} />
      </div>
    </main>
  )
}

function Frame({
  name,
  title,
  round,
}: {
  readonly name: string
  readonly title: string
  readonly round: number | undefined
}) {
  return (
    <section className="frame">
      <h2>{title}</h2>
      {round !== undefined && <iframe key={round} src={`/?device=${name}`} title={title} />}
    </section>
  )
}

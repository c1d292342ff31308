import { useEffect, useState } from 'react'
import { Icon } from '../parts/icon.js'
import { useStore } from '../parts/use-store.js'
import { useInspected } from './inspected.js'
import { createManagementCall, hasOperators, ManagementError, type ServerStats } from './management.js'
import { addSample, MAX_SAMPLES, ratesOf, type Sample, valuesOf } from './rates.js'
import { numberWords, sizeWords } from './sizes.js'
import { Sparkline } from './sparkline.js'
import { reasonOf } from './use-answer.js'

/** How often the server is asked while this is shown. Milliseconds. */
const ASK_EVERY_MS = 2_000

/** How many values fill a chart at least: it fills up in the first minute, and has the last five in the end. */
const FEWEST = 30

/** What is drawn: a number as it is, or how much a count grows each second. */
const CHARTS = [
  { name: 'connections', label: 'Connections', isRate: false, words: numberWords },
  { name: 'subscriptions', label: 'Subscriptions', isRate: false, words: numberWords },
  { name: 'events_stored', label: 'Events stored each second', isRate: true, words: numberWords },
  { name: 'events_refused', label: 'Events refused each second', isRate: true, words: numberWords },
  { name: 'events_queued', label: 'Events that wait for the disk', isRate: false, words: numberWords },
  { name: 'messages_sent', label: 'Messages sent each second', isRate: true, words: numberWords },
  { name: 'characters_sent', label: 'Characters sent each second', isRate: true, words: numberWords },
  { name: 'logins', label: 'Logins each second', isRate: true, words: numberWords },
  { name: 'disk_bytes', label: 'Storage', isRate: false, words: sizeWords },
  { name: 'resident_memory_bytes', label: 'Memory', isRate: false, words: sizeWords },
  { name: 'slow_readers_dropped', label: 'Slow readers cut off', isRate: false, words: numberWords },
  { name: 'log_head', label: 'Events ever stored', isRate: false, words: numberWords },
] as const

type Standing =
  | { readonly phase: 'asking' | 'nobody' }
  | { readonly phase: 'stranger' | 'failed'; readonly reason: string }
  | { readonly phase: 'operator'; readonly problem: string }

/** How the server does, for those whose key is one of its operators'. */
export function OperatorView() {
  const { account } = useInspected()
  // A signer extension may ask its user about each signature.
  const [isWanted, setWanted] = useState(account.kind === 'key')
  return (
    <>
      <h2>Operator</h2>
      {isWanted ? (
        <Watching />
      ) : (
        <>
          <p>
            The server is asked every {ASK_EVERY_MS / 1_000} s while this is shown, each time with a signature
            of your extension.
          </p>
          <button type="button" className="button" onClick={() => setWanted(true)}>
            Ask the server
          </button>
        </>
      )}
    </>
  )
}

function Watching() {
  const { network } = useInspected()
  const isOn = useStore(network, () => network.isOn)
  const { standing, samples } = useServerStats(isOn)
  if (!isOn && samples.length === 0) return <p role="status">The network is switched off on this device.</p>
  switch (standing.phase) {
    case 'asking':
      return <p role="status">Asking the server…</p>
    case 'nobody':
      return <p role="status">This server has no operators: it was started without any.</p>
    case 'stranger':
      return (
        <>
          <p role="status">
            <Icon name="key" size={16} /> Only operators of this server see how it does, and this account is
            none.
          </p>
          <p className="aside">The server says: {standing.reason}</p>
        </>
      )
    case 'failed':
      return (
        <p role="alert" className="problem-text">
          {standing.reason}
        </p>
      )
    case 'operator':
      return <Charts samples={samples} problem={isOn ? standing.problem : 'The network is switched off.'} />
  }
}

function Charts({ samples, problem }: { readonly samples: readonly Sample[]; readonly problem: string }) {
  const newest = samples.at(-1)?.stats ?? {}
  return (
    <>
      <p className="aside">
        Asked every {ASK_EVERY_MS / 1_000} s; the lines show the last{' '}
        {Math.round((MAX_SAMPLES * ASK_EVERY_MS) / 60_000)} minutes, as far as this page was open.{' '}
        {uptimeWords(newest)}
      </p>
      {problem !== '' && (
        <p role="alert" className="problem-text">
          {problem}
        </p>
      )}
      <ul className="charts">
        {CHARTS.map(({ name, label, isRate, words }) => {
          const values = (isRate ? ratesOf : valuesOf)(samples, name)
          const known = values.filter((value) => value !== undefined)
          const now = values.at(-1)
          const most = Math.max(...known, 0)
          const text = now === undefined ? 'not known yet' : words(now)
          return (
            <li key={name}>
              <h3>{label}</h3>
              <p className="chart-now">{text}</p>
              <Sparkline
                values={values}
                most={Math.max(FEWEST, values.length)}
                label={`${label}: ${text}${known.length > 1 ? `, at most ${words(most)}` : ''}`}
              />
            </li>
          )
        })}
      </ul>
      <dl className="facts">
        <dt>Banned keys</dt>
        <dd>{String(newest.banned_pubkeys)}</dd>
        <dt>Allowed keys</dt>
        <dd>
          {String(newest.allowed_pubkeys)}
          {newest.allow_list_only === true && ', and only those are served'}
        </dd>
        <dt>Blocked addresses</dt>
        <dd>{String(newest.blocked_ips)}</dd>
        <dt>Events it knew already</dt>
        <dd>{String(newest.events_duplicate)}</dd>
      </dl>
    </>
  )
}

function uptimeWords({ uptime_seconds }: ServerStats): string {
  if (typeof uptime_seconds !== 'number') return ''
  const hours = Math.floor(uptime_seconds / 3_600)
  return hours === 0 ? `Up for ${Math.floor(uptime_seconds / 60)} min.` : `Up for ${hours} h.`
}

/** Asks the server again and again while the page is seen, until it says that this key is none of an operator. */
function useServerStats(isOn: boolean): {
  readonly standing: Standing
  readonly samples: readonly Sample[]
} {
  const { url, signer, fetchInfo } = useInspected()
  const [standing, setStanding] = useState<Standing>({ phase: 'asking' })
  const [samples, setSamples] = useState<readonly Sample[]>([])

  useEffect(() => {
    if (!isOn) return undefined
    const call = createManagementCall(url, signer)
    let isOver = false
    let isKnown = false
    let timer: ReturnType<typeof setTimeout> | undefined

    async function ask(): Promise<void> {
      if (!isKnown && !hasOperators(await fetchInfo())) return show({ phase: 'nobody' })
      const stats = (await call('stats')) as ServerStats
      if (isOver) return
      isKnown = true
      setSamples((before) => addSample(before, { atMs: performance.now(), stats }))
      show({ phase: 'operator', problem: '' })
      again()
    }

    function show(next: Standing): void {
      if (!isOver) setStanding(next)
    }

    function again(): void {
      if (!isOver) timer = setTimeout(askIfSeen, ASK_EVERY_MS)
    }

    function askIfSeen(): void {
      if (document.visibilityState === 'hidden') {
        again()
        return
      }
      ask().catch((error) => {
        const reason = reasonOf(error)
        if (error instanceof ManagementError && error.isStranger) return show({ phase: 'stranger', reason })
        show(isKnown ? { phase: 'operator', problem: reason } : { phase: 'failed', reason })
        again()
      })
    }

    askIfSeen()
    return () => {
      isOver = true
      clearTimeout(timer)
    }
  }, [url, signer, fetchInfo, isOn])
  return { standing, samples }
}

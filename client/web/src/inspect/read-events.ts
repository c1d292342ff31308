import type { Keychain } from '../device/keychain.js'

type Signer = Awaited<ReturnType<Keychain['signer']>>

/** An event as the server has it, not checked. */
export interface RawEvent {
  readonly id: string
  readonly kind: number
  readonly pubkey: string
  readonly created_at: number
  readonly tags: readonly (readonly string[])[]
  readonly content: string
  readonly sig: string
}

/** Events of one answer. */
const PAGE = 500
const SUBSCRIPTION = 'inspect'

/**
 * Reads everything that an account may see on its server, newest first, as any Nostr client would: with a login (NIP-42)
 * and plain filters (NIP-01), on a connection of its own. Calls back with each page. Rejects in words for people.
 */
export function readEvents(
  url: string,
  signer: Signer,
  onPage: (events: readonly RawEvent[]) => void,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url)
    const known = new Set<string>()
    let page: RawEvent[] = []
    let until: number | undefined

    const end = (error?: Error) => {
      socket.onclose = null
      socket.close()
      if (error === undefined) resolve()
      else reject(error)
    }
    const send = (message: unknown[]) => socket.send(JSON.stringify(message))
    const ask = () => {
      page = []
      send(['REQ', SUBSCRIPTION, { limit: PAGE, ...(until !== undefined && { until }) }])
    }

    async function logIn(challenge: string): Promise<void> {
      const created_at = Math.floor(Date.now() / 1000)
      const tags = [
        ['relay', url],
        ['challenge', challenge],
      ]
      send(['AUTH', await signer.signEvent({ kind: 22242, created_at, tags, content: '' })])
    }

    /** Pages meet in a second: what both have counts once. */
    function turnPage(): void {
      send(['CLOSE', SUBSCRIPTION])
      const fresh = page.filter(({ id }) => !known.has(id))
      for (const { id } of fresh) known.add(id)
      if (fresh.length > 0) onPage(fresh)
      if (page.length < PAGE) {
        end()
        return
      }
      const oldest = Math.min(...page.map(({ created_at }) => created_at))
      // A second that fills more than a page is passed over rather than asked for again and again.
      until = fresh.length === 0 ? oldest - 1 : oldest
      ask()
    }

    signal.addEventListener('abort', () => end(), { once: true })
    socket.onerror = () => end(new Error('the server can’t be reached'))
    socket.onclose = ({ reason }) => end(new Error(reason || 'the server has closed the connection'))
    socket.onmessage = ({ data }) => {
      const [type, ...rest] = JSON.parse(String(data)) as [string, ...unknown[]]
      if (type === 'AUTH') logIn(String(rest[0])).catch(end)
      else if (type === 'OK') rest[1] === true ? ask() : end(new Error(String(rest[2])))
      else if (type === 'EVENT') page.push(rest[1] as RawEvent)
      else if (type === 'EOSE') turnPage()
      else if (type === 'CLOSED') end(new Error(String(rest[1])))
    }
  })
}

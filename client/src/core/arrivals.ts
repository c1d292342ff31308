import type { Part } from '@onyx-sync/shared'
import type { BodyState } from '../ports/store.js'
import type { Documents } from './documents-api.js'
import { createPartStream, type PartStream } from './part-stream.js'
import type { RemoteUpdate } from './remote-updates.js'

/** Has states of documents that aren't here applied part by part, while the server still makes and sends the others. */
export interface Arrivals {
  /**
   * Takes a part of a state. Undefined where that is to be put together first: of a document that is here, or where it isn't
   * the part that comes next. Resolves with nothing before the last part; with that, once all is applied, with an update that
   * brings no more than what the server says of the document. Rejects where it can't be applied.
   */
  take(update: RemoteUpdate, part: Part): Promise<RemoteUpdate[]> | undefined
  /** Nobody holds on to what arrived any more: its document counts as held by now, or leaves again. */
  release(): void
  /** Nothing more comes of what has begun. Resolves with the addresses of that, once it has left again. */
  end(): Promise<string[]>
}

interface Arrival {
  readonly stream: PartStream
  readonly applied: Promise<(() => Promise<void>) | undefined>
}

const NOT_HERE: readonly (BodyState | undefined)[] = ['listed', 'evicted', 'arriving']

export function createArrivals(documents: Pick<Documents, 'info' | 'applyAsItComes'>): Arrivals {
  const underWay = new Map<string, Arrival>()
  let releases: (() => Promise<void>)[] = []

  function begin(address: string, part: Part): Arrival {
    const stream = createPartStream(part)
    const arrival: Arrival = { stream, applied: documents.applyAsItComes(address, stream) }
    // Whoever brings the last part hears of it.
    arrival.applied.catch(() => {})
    underWay.set(address, arrival)
    return arrival
  }

  async function finish(update: RemoteUpdate, { applied }: Arrival): Promise<RemoteUpdate[]> {
    underWay.delete(update.address)
    const release = await applied
    if (release === undefined) return []
    releases.push(release)
    return [{ ...update, updates: [] }]
  }

  return {
    take(update, part) {
      const { address, updates } = update
      const isBegun = underWay.has(address)
      if (!isBegun && (part.index > 0 || !NOT_HERE.includes(documents.info(address)?.body))) return undefined
      const arrival = underWay.get(address) ?? begin(address, part)
      if (!arrival.stream.take(part, updates[0] as Uint8Array)) {
        arrival.stream.cut()
        underWay.delete(address)
        return undefined
      }
      return part.index + 1 < part.count ? Promise.resolve([]) : finish(update, arrival)
    },
    release() {
      for (const release of releases) void release()
      releases = []
    },
    async end() {
      const ended = [...underWay]
      underWay.clear()
      for (const [, { stream }] of ended) stream.cut()
      for (const [, { applied }] of ended) await applied.catch(() => {})
      return ended.map(([address]) => address)
    },
  }
}

/** A tab that has joined. */
export interface JoinedTab {
  readonly id: string
  /** Numbers of its edits that are in the documents here, and that it doesn't know to be durable. */
  readonly edits: Set<number>
  /** Those of them that the disk refused. */
  readonly refused: Set<number>
  /** Number of its last call that changed what only this device knows. */
  local: number
  /** Messages that it is writing, by the ids of their rows. */
  streams: ReadonlySet<string>
  /** Changes that it asked for and that are not durable yet. */
  readonly underWay: Set<Promise<unknown>>
  /** Ends the wait for its going. */
  readonly waiting: AbortController
}

export function createJoinedTab(id: string, streams: readonly string[]): JoinedTab {
  return {
    ...{ id, edits: new Set<number>(), refused: new Set<number>(), local: 0, streams: new Set(streams) },
    ...{ underWay: new Set<Promise<unknown>>(), waiting: new AbortController() },
  }
}

/** Takes note of what a call was answered: as the tab does when it hears of it. */
export function noteAnswer({ edits, refused }: JoinedTab, id: number, code: string | undefined): void {
  if (code === 'STORE_FAILED' && edits.has(id)) {
    refused.add(id)
    return
  }
  edits.delete(id)
  if (code !== undefined) return
  // The disk takes things in order: what it refused before is there now, too.
  for (const other of [...refused]) if (other < id && refused.delete(other)) edits.delete(other)
}

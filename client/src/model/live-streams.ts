/** The messages that are being written here, and have not ended. */
export interface LiveStreams {
  /** Ids of their rows, `<address>/<messageId>`. */
  ids(): readonly string[]
  has(id: string): boolean
  /** Takes one in, or another way of having it write what it has. */
  set(id: string, write: () => void): void
  delete(id: string): void
  /** Has all of them write what they have. */
  write(): void
}

/** `onChange` hears of each that begins or ends. */
export function createLiveStreams(onChange: () => void = () => {}): LiveStreams {
  const writes = new Map<string, () => void>()
  return {
    ids: () => [...writes.keys()],
    has: (id) => writes.has(id),
    set(id, write) {
      const isNew = !writes.has(id)
      writes.set(id, write)
      if (isNew) onChange()
    },
    delete(id) {
      if (writes.delete(id)) onChange()
    },
    write() {
      for (const write of [...writes.values()]) write()
    },
  }
}

import { getOrCreate } from '@onyx-sync/shared'
import type { Commit } from '../ports/event-log.js'

/** Somebody who reads the log in many steps. */
export interface Reading {
  /**
   * Undefined, unless newer events have begun to take the place of some that it may read, since it began or since this was
   * asked. Then it resolves when they are in the log, and everybody was told.
   */
  replaced(): Promise<void> | undefined
  /** May be called more than once. */
  end(): void
}

/** A commit as it is to be written, and what ends it. */
export interface Replacing {
  /** Says of documents that are just being read that the checkpoint is news. */
  readonly commit: Commit
  /** To be called when it is written and told, or has failed. */
  done(): void
}

/**
 * Newer events that take the place of others in the log, and those who read it meanwhile. A reader that has got to a position
 * counts as having everything up to there. Where a checkpoint takes events away in front of it, it passes them without having
 * seen them: the checkpoint, which comes later in the log, must then not be taken for one that repeats what the
 * reader has. Source: SPEC RPL5, REQ9.
 */
export interface Replacements {
  /** @param keys whose events are read */
  beginReading(keys: readonly string[]): Reading
  /** To be called in the tick in which the commit is handed to the log. One at a time. */
  begin(commit: Commit): Replacing
}

interface State {
  replaced: Promise<void> | undefined
}

export function createReplacements(): Replacements {
  /** Only keys for which somebody reads. */
  const byKey = new Map<string, Set<State>>()
  /** What is being written just now, and whose events it replaces. */
  let underWay: { readonly readers: ReadonlySet<string>; readonly done: Promise<void> } | undefined

  return {
    beginReading(keys) {
      // It was not there when that was begun, and may see what is gone by it already, but not yet what came.
      const isConcerned = keys.some((key) => underWay?.readers.has(key) === true)
      const state: State = { replaced: isConcerned ? underWay?.done : undefined }
      for (const key of keys) getOrCreate(byKey, key, () => new Set()).add(state)
      return {
        replaced() {
          const { replaced } = state
          state.replaced = undefined
          return replaced
        },
        end() {
          for (const key of keys) {
            const states = byKey.get(key)
            states?.delete(state)
            if (states?.size === 0) byKey.delete(key)
          }
        },
      }
    },

    begin(commit) {
      const { superseded = [], withdrawn = [] } = commit
      if (superseded.length + withdrawn.length === 0) return { commit, done() {} }
      let done = (): void => {}
      const promise = new Promise<void>((resolve) => {
        done = resolve
      })
      const readers = new Set([...superseded, ...withdrawn].flatMap((gone) => gone.readers))
      underWay = { readers, done: promise }
      for (const reader of readers) for (const state of byKey.get(reader) ?? []) state.replaced = promise
      const beingRead = superseded.filter((gone) => gone.readers.some((reader) => byKey.has(reader)))
      const addresses = new Set(beingRead.map(({ address }) => address))
      const documents = commit.documents.map((record) =>
        addresses.has(record.address) ? { ...record, contentSeq: record.headSeq } : record,
      )
      return {
        commit: { ...commit, documents },
        done() {
          underWay = undefined
          done()
        },
      }
    },
  }
}

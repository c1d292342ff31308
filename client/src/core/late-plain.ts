import type { PlainMode, PlainModeOptions } from './plain.js'

/** What syncs with plain relays, made when the first one is met: most devices never meet one. */
export interface LatePlainMode {
  /** Undefined until then. */
  readonly mode: PlainMode | undefined
  /** It is there when this resolves. Rejects where its code can't be loaded; it may be called again. */
  load(): Promise<void>
}

export function createLatePlainMode(
  create: (options: PlainModeOptions) => Promise<PlainMode>,
  options: PlainModeOptions,
): LatePlainMode {
  let mode: PlainMode | undefined
  return {
    get mode() {
      return mode
    },
    async load() {
      const made = mode ?? (await create(options))
      // Of two attempts that wait for the code, the first one's is taken.
      mode ??= made
    },
  }
}

/** How inputs are written, and so how they are changed. */
export type InputKind = 'json' | 'text' | 'bytes'

/**
 * A part of the system that takes what others wrote. `run` is given one input and must come to an end: whatever it
 * throws is an escape, since what is merely wrong about an input is answered, and not thrown.
 */
export interface Target {
  /** Also the name of its folder in the corpus. */
  readonly name: string
  readonly summary: string
  readonly kind: InputKind
  /** The modules under test, by the end of their URL: where coverage counts. */
  readonly modules: readonly string[]
  /** Inputs it gets in place of a hundred: more where one is cheap, fewer where it is dear. @default 100 */
  readonly percent?: number
  /** Inputs that are right. */
  seeds(): readonly Uint8Array[]
  run(input: Uint8Array): void | Promise<void>
}

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** The text of an input of a kind other than `bytes`. */
export function textOf(input: Uint8Array): string {
  return decoder.decode(input)
}

/** An input of a kind other than `bytes`. */
export function inputOf(text: string): Uint8Array {
  return encoder.encode(text)
}

/** JSON of an input; undefined where it is none. */
export function jsonOf(input: Uint8Array): unknown {
  try {
    return JSON.parse(textOf(input)) as unknown
  } catch {
    return undefined
  }
}

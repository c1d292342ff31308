import { DEFAULT_LIMITS, LIMIT_UNITS, type Limits } from '@onyx-sync/shared'
import { z } from 'zod'

/** The longest string of V8, which a message has to become. */
const MAX_TEXT_BYTES = 536_870_888
/** A timer takes 2³¹ − 1 milliseconds at most. */
const MAX_TIMER_SECONDS = 2_147_483
/** An index of a part is kept in two bytes. */
const MAX_PARTS = 65_535

const UPPER_BOUNDS: { readonly [L in keyof Limits]?: number } = {
  maxMessageBytes: MAX_TEXT_BYTES,
  maxEventBytes: MAX_TEXT_BYTES,
  maxUpdateBytes: MAX_TEXT_BYTES,
  maxParts: MAX_PARTS,
  maxUnauthenticatedSeconds: MAX_TIMER_SECONDS,
  maxHandshakeSeconds: MAX_TIMER_SECONDS,
}

type LimitsShape = { [L in keyof Limits]: z.ZodDefault<z.ZodNumber> }

function limitsShape(): LimitsShape {
  const names = Object.keys(DEFAULT_LIMITS) as (keyof Limits)[]
  return Object.fromEntries(
    names.map((name) => {
      // Durations may be fractions: tests and impatient operators go below a second.
      const number = name.endsWith('Seconds') ? z.number().positive() : z.int().min(1)
      const bounded = number.max(UPPER_BOUNDS[name] ?? Number.MAX_SAFE_INTEGER)
      return [name, bounded.default(DEFAULT_LIMITS[name]).meta({ description: LIMIT_UNITS[name] })]
    }),
  ) as LimitsShape
}

/** Every limit of a server, with its range: whole numbers above 0, or durations that may be fractions. */
export const limitsSchema = z.strictObject(limitsShape())

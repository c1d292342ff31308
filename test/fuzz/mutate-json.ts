import { VALUES, WORDS } from './dictionary.js'
import { mutateBytes } from './mutate-bytes.js'
import type { Chance } from './random.js'

type Container = unknown[] | Record<string, unknown>

/** A place in a JSON value. */
interface Place {
  readonly container: Container
  readonly key: string | number
}

const BASE64 = /^[A-Za-z0-9+/]{8,}={0,2}$/
/** Places among which one is chosen: the first ones, so that large inputs cost no more. */
const MAX_PLACES = 64

/** Never the same object in two places: a later change would reach both, or close a circle. */
function copyOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? (JSON.parse(JSON.stringify(value)) as unknown) : value
}

function placesOf(root: Container): Place[] {
  const places: Place[] = []
  const waiting: Container[] = [root]
  for (let next = waiting.pop(); next !== undefined && places.length < MAX_PLACES; next = waiting.pop()) {
    const keys = Array.isArray(next) ? next.keys() : Object.keys(next)
    for (const key of keys) {
      places.push({ container: next, key })
      const value = read(next, key)
      if (typeof value === 'object' && value !== null) waiting.push(value as Container)
      if (places.length >= MAX_PLACES) break
    }
  }
  return places
}

function read(container: Container, key: string | number): unknown {
  return (container as Record<string | number, unknown>)[key]
}

/** As `JSON.parse` would: `__proto__` becomes a key like any other. */
function write(container: Container, key: string | number, value: unknown): void {
  Object.defineProperty(container, key, { value, writable: true, enumerable: true, configurable: true })
}

/** One change of a text. */
export function mutateText(text: string, other: string, chance: Chance): string {
  const at = chance.below(text.length + 1)
  const length = Math.min(text.length - at, 1 + chance.below(16))
  switch (chance.below(7)) {
    case 0:
      return text.slice(0, at) + text.slice(at + length)
    case 1:
      return text.slice(0, at) + chance.pick(WORDS) + text.slice(at + (chance.once(2) ? length : 0))
    case 2:
      return (
        text.slice(0, at) +
        String.fromCharCode(chance.below(chance.once(4) ? 65_536 : 128)) +
        text.slice(at + 1)
      )
    case 3:
      return text.slice(0, at) + text.slice(at, at + length).repeat(2) + text.slice(at + length)
    case 4:
      return text.slice(0, at) + text.slice(at, at + length).toUpperCase() + text.slice(at + length)
    case 5:
      return text.slice(0, at) + other.slice(chance.below(other.length + 1)).slice(0, 64) + text.slice(at)
    default:
      return (
        text.slice(0, at) + text.slice(at, at + length).repeat(chance.once(200) ? 500 : 4) + text.slice(at)
      )
  }
}

function mutateString(text: string, chance: Chance): string {
  if (text.length % 4 === 0 && BASE64.test(text) && !chance.once(4)) {
    const bytes = Buffer.from(text, 'base64')
    return Buffer.from(mutateBytes(bytes, bytes, chance)).toString('base64')
  }
  return mutateText(text, text, chance)
}

function mutateNumber(number: number, chance: Chance): number {
  return chance.pick([
    number + 1,
    number - 1,
    -number,
    number + 0.5,
    number * 2 ** chance.below(54),
    chance.below(70_000),
  ])
}

function nested(chance: Chance): unknown {
  let value: unknown = copyOf(chance.pick(VALUES))
  for (let depth = chance.below(chance.once(500) ? 3_000 : 6); depth > 0; depth--)
    value = chance.once(2) ? [value] : { a: value }
  return value
}

function changeContainer(value: Container, chance: Chance): void {
  const keys = Object.keys(value)
  const key = keys.length === 0 ? undefined : chance.pick(keys)
  if (Array.isArray(value)) {
    const index = chance.below(value.length + 1)
    const item = value[chance.below(value.length || 1)]
    switch (chance.below(5)) {
      case 0:
        value.splice(index, 1)
        return
      case 1:
        value.splice(index, 0, copyOf(item))
        return
      case 2:
        value.splice(index, 0, chance.once(2) ? chance.pick(WORDS) : copyOf(chance.pick(VALUES)))
        return
      case 3:
        value.reverse()
        return
      default:
        for (let times = chance.below(chance.once(200) ? 2_100 : 6); times > 0; times--)
          value.push(copyOf(item))
        return
    }
  }
  switch (chance.below(3)) {
    case 0:
      if (key !== undefined) delete value[key]
      return
    case 1:
      write(value, chance.pick(WORDS), copyOf(key === undefined ? chance.pick(VALUES) : value[key]))
      return
    default:
      write(value, `#${String.fromCharCode(97 + chance.below(26))}`, [chance.pick(WORDS)])
  }
}

/** Changes a JSON value in one place. */
function change(root: Container, chance: Chance): void {
  const places = placesOf(root)
  if (places.length === 0) {
    changeContainer(root, chance)
    return
  }
  const { container, key } = chance.pick(places)
  const value = read(container, key)
  if (chance.once(6)) write(container, key, nested(chance))
  else if (typeof value === 'string') write(container, key, mutateString(value, chance))
  else if (typeof value === 'number') write(container, key, mutateNumber(value, chance))
  else if (typeof value === 'object' && value !== null) changeContainer(value as Container, chance)
  else write(container, key, copyOf(chance.pick(VALUES)))
}

/**
 * Changed copies of a JSON text, well-formed most times, each one change further from it. `other` is another text to
 * take from. Reading the text is most of the work, so there are several for one reading.
 */
export function mutateJson(text: string, other: string, chance: Chance, count: number): string[] {
  let root: Container
  try {
    const parsed = JSON.parse(text) as unknown
    if (typeof parsed !== 'object' || parsed === null) return [mutateText(text, other, chance)]
    root = parsed as Container
  } catch {
    return [mutateText(text, other, chance)]
  }
  return Array.from({ length: count }, () => {
    change(root, chance)
    const changed = JSON.stringify(root)
    return chance.once(10) ? mutateText(changed, other, chance) : changed
  })
}

import { SyncError } from '@onyx-sync/shared'

/** The parts of a JavaScript platform that a device needs and that some lack. */
export interface PlatformGlobals {
  readonly crypto?: { getRandomValues?: unknown } | undefined
  readonly TextEncoder?: unknown
  readonly TextDecoder?: unknown
  readonly URL?: unknown
  readonly AbortController?: unknown
}

interface Need {
  readonly name: string
  isThere(globals: PlatformGlobals): boolean
  /** What an app adds where it is missing. */
  readonly remedy: string
}

const isFunction = (value: unknown) => typeof value === 'function'

const RANDOM = 'crypto.getRandomValues'

const NEEDS: readonly Need[] = [
  {
    name: RANDOM,
    isThere: ({ crypto }) => isFunction(crypto?.getRandomValues),
    remedy: "import 'react-native-get-random-values'",
  },
  {
    name: 'TextEncoder',
    isThere: ({ TextEncoder }) => isFunction(TextEncoder),
    remedy: "set it to that of 'text-encoding-polyfill'",
  },
  {
    name: 'TextDecoder',
    isThere: ({ TextDecoder }) => isFunction(TextDecoder),
    remedy: "set it to that of 'text-encoding-polyfill'",
  },
  // React Native's own has getters that throw.
  { name: 'URL', isThere: isUrlWhole, remedy: "import 'react-native-url-polyfill/auto'" },
  {
    name: 'AbortController',
    isThere: ({ AbortController }) => isFunction(AbortController),
    remedy: "import 'abortcontroller-polyfill/dist/polyfill-patch-fetch'",
  },
]

/**
 * Checks that the platform has what a device needs, before it touches a database. Throws `PLATFORM_LACKING`, which
 * names all that is missing and how to add it.
 */
export function checkPlatform(
  globals: PlatformGlobals = globalThis as PlatformGlobals,
  { needsRandom = true } = {},
): void {
  const needs = NEEDS.filter(({ name }) => needsRandom || name !== RANDOM)
  const missing = needs.filter((need) => !need.isThere(globals))
  if (missing.length === 0) return
  const list = missing.map(({ name, remedy }) => `${name} (${remedy})`).join(', ')
  throw new SyncError(
    'PLATFORM_LACKING',
    `this platform lacks ${list}; imports go first in the app's entry file, before anything of onyx-sync`,
  )
}

function isUrlWhole({ URL }: PlatformGlobals): boolean {
  try {
    const url = new (URL as new (text: string) => Record<string, unknown>)('wss://relay.example:1234/sync')
    const { protocol, hostname, port, pathname } = url
    return `${protocol} ${hostname} ${port} ${pathname}` === 'wss: relay.example 1234 /sync'
  } catch {
    return false
  }
}

import { builtinEnvironments, type Environment } from 'vitest/runtime'

const { jsdom } = builtinEnvironments
/** What a server and Node's own modules take for bytes, in place of the window's. */
const bytes = { Uint8Array: globalThis.Uint8Array, ArrayBuffer: globalThis.ArrayBuffer }

/** jsdom's window, with modules as Node has them: a server runs in the same process. */
const environment: Environment = {
  ...jsdom,
  name: 'jsdom',
  viteEnvironment: 'ssr',
  async setup(global, options) {
    const set = await jsdom.setup(global, options)
    Object.assign(global, bytes)
    return set
  },
}

export default environment

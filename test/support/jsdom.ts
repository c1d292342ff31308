import { builtinEnvironments, type Environment } from 'vitest/runtime'

/** jsdom's window, with modules as Node has them: a server runs in the same process. */
const environment: Environment = { ...builtinEnvironments.jsdom, name: 'jsdom', viteEnvironment: 'ssr' }

export default environment

/** Has libraries that Node itself loads take React 18 too: two Reacts in one tree don't know each other's elements. */
import Module, { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const workspace = dirname(createRequire(import.meta.url).resolve('../react-18/package.json'))
const resolver = Module as unknown as { _resolveFilename(request: string, ...rest: unknown[]): string }
const resolveFilename = resolver._resolveFilename

resolver._resolveFilename = (request, ...rest) =>
  resolveFilename.call(
    resolver,
    /^react(-dom)?(\/|$)/.test(request) ? join(workspace, 'node_modules', request) : request,
    ...rest,
  )

// Builds the web client into dist, unless nothing it is made of has changed since the last time. `--force` builds anyway.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'

const here = fileURLToPath(new URL('.', import.meta.url))
/** Not served: its name begins with a dot. */
const stamp = join(here, 'dist/.built-from')
/** Two builds at once would clear away what the other has just written. */
const lock = join(here, '../../node_modules/.onyx-web-build')
const LONGEST_BUILD_MS = 120_000
const sources = [
  here,
  join(here, '../dist'),
  join(here, '../../shared/dist'),
  join(here, '../../package-lock.json'),
]

function hashOfSources() {
  const hash = createHash('sha256')
  for (const source of sources) {
    const entries = source.endsWith('.json')
      ? [source]
      : readdirSync(source, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name))
          .filter(
            (path) => !path.startsWith(join(here, 'dist/')) && !/node_modules|\.tsbuildinfo$/.test(path),
          )
          .sort()
    for (const path of entries) hash.update(path.slice(here.length)).update(readFileSync(path))
  }
  return hash.digest('hex')
}

/** Waits while another process builds, such as the test file beside this one. @returns a function that lets the next one in */
async function waitForTurn() {
  for (;;) {
    try {
      mkdirSync(lock)
      return () => rmSync(lock, { recursive: true, force: true })
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
      const age = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now())
      // Whoever made it was ended in the middle.
      if (age > LONGEST_BUILD_MS) rmSync(lock, { recursive: true, force: true })
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

const done = await waitForTurn()
try {
  const hash = hashOfSources()
  const isSame = existsSync(stamp) && readFileSync(stamp, 'utf8') === hash
  if (!isSame || process.argv.includes('--force')) {
    // Also where another program, such as a test runner, has set something else.
    process.env.NODE_ENV = 'production'
    await build({ mode: 'production', configFile: join(here, 'vite.config.ts'), logLevel: 'warn' })
    writeFileSync(stamp, hash)
  }
} finally {
  done()
}

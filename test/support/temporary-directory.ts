import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterThisTest } from './after-test.js'

/** A directory of its own for a test, removed after it. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'onyx-sync-'))
  afterThisTest(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

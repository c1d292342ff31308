import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Files above this are not kept: the corpus is read by people, too. Bytes. */
export const MAX_CORPUS_FILE_BYTES = 4_096

/** Inputs of a target that are kept in the repository, in the order of their names. */
export function readCorpus(directory: string, target: string): Uint8Array[] {
  const folder = join(directory, target)
  let names: string[]
  try {
    names = readdirSync(folder).sort()
  } catch {
    return []
  }
  return names.map((name) => new Uint8Array(readFileSync(join(folder, name))))
}

/** Keeps an input under a name that its bytes give. Returns the path. */
export function keepInput(directory: string, target: string, input: Uint8Array): string {
  const folder = join(directory, target)
  mkdirSync(folder, { recursive: true })
  const name = createHash('sha256').update(input).digest('hex').slice(0, 16)
  const path = join(folder, name)
  writeFileSync(path, input)
  return path
}

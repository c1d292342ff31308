// Breaks one promise in a process, to see whether the suite notices: `node --import faults.mjs …` with
// ONYX_CRASH_FAULT. The build is changed as it is loaded; nothing on disk is. A fault that no longer finds its
// place ends the process.
import { register } from 'node:module'
import { isMainThread } from 'node:worker_threads'
import { FAULTS } from './fault-list.mjs'

const name = process.env.ONYX_CRASH_FAULT
const changes = FAULTS[name]
if (changes === undefined) throw new Error(`there is no fault ${name}`)
if (isMainThread) register(import.meta.url)

export async function load(url, context, nextLoad) {
  const loaded = await nextLoad(url, context)
  const fitting = changes.filter(([file]) => url.endsWith(`/${file}`))
  if (fitting.length === 0) return loaded
  let source = String(loaded.source)
  for (const [file, pattern, replacement] of fitting) {
    if (!pattern.test(source)) throw new Error(`the fault ${name} does not fit ${file} any more`)
    source = source.replace(pattern, typeof replacement === 'function' ? replacement : () => replacement)
  }
  return { ...loaded, source }
}

/**
 * Runs the client's core, with the simulated world around it, in a Hermes VM: bundled by the Metro of a React Native
 * version, as an app is. Prints what it measured as JSON.
 *
 *   node test/react-native/run-hermes.mjs DIRECTORY
 *
 * DIRECTORY has a package.json with React Native and hermes-engine-cli, installed. The packages here have to be built.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { replacedInVm, runInVm } from './hermes-vm.mjs'
import { bundle, here } from './metro-build.mjs'

process.env.ONYX_HERMES_VM = '1'
const out = mkdtempSync(join(tmpdir(), 'onyx-sync-hermes-'))
try {
  const path = join(out, 'hermes.js')
  await bundle({ entry: join(here, 'hermes.js'), platform: 'android', out: path, replaced: replacedInVm })
  await runInVm(path, (line) => console.log(line))
} finally {
  rmSync(out, { recursive: true, force: true })
}

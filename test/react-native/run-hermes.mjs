/**
 * Runs the client's core, with the simulated world around it, in a Hermes VM: bundled by the Metro of a React Native
 * version, as an app is. Prints what it measured as JSON.
 *
 *   node test/react-native/run-hermes.mjs DIRECTORY
 *
 * DIRECTORY has a package.json with React Native and hermes-engine-cli, installed. The packages here have to be built.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundle, here, project } from './metro-build.mjs'

process.env.ONYX_HERMES_VM = '1'
const replaced = {
  '@onyx-sync/server': join(here, 'server-core.js'),
  'node:crypto': join(here, 'node-crypto.js'),
  'react-native': join(here, 'no-native.js'),
}
const out = mkdtempSync(join(tmpdir(), 'onyx-sync-hermes-'))
try {
  const path = join(out, 'hermes.js')
  await bundle({ entry: join(here, 'hermes.js'), platform: 'android', out: path, replaced })
  const vm = join(project, 'node_modules/hermes-engine-cli/linux64-bin/hermes')
  chmodSync(vm, 0o755)
  // Compiled ahead and optimised, as in an app, and with microtasks, as React Native turns them on.
  const flags = ['-O', '-w', '-Xmicrotask-queue']
  const { status, signal } = spawnSync(vm, [...flags, path], { stdio: 'inherit' })
  if (status !== 0) throw new Error(`the Hermes VM ended with ${signal ?? status}`)
} finally {
  rmSync(out, { recursive: true, force: true })
}

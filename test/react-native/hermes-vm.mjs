/** Runs JavaScript in the VM of npm's hermes-engine-cli, as an app's is run. */
import { spawn } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { here, project } from './metro-build.mjs'

/** What a bare VM has other modules for. */
export const replacedInVm = {
  '@onyx-sync/server': join(here, 'server-core.js'),
  'node:crypto': join(here, 'node-crypto.js'),
  'react-native': join(here, 'no-native.js'),
}

/** Runs a file, hands each line that it prints to `onLine`, and rejects if it ends with an error. */
export async function runInVm(path, onLine) {
  const vm = join(project, 'node_modules/hermes-engine-cli/linux64-bin/hermes')
  chmodSync(vm, 0o755)
  // Compiled ahead and optimised, as in an app, and with microtasks, as React Native turns them on.
  const child = spawn(vm, ['-O', '-w', '-Xmicrotask-queue', path], { stdio: ['ignore', 'pipe', 'inherit'] })
  let rest = ''
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line)
  })
  await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status, signal) => {
      if (rest !== '') onLine(rest)
      if (status === 0) resolve()
      else reject(new Error(`the Hermes VM ended with ${signal ?? status}`))
    })
  })
}

/**
 * Bundles the client for Android and iOS with the Metro of a React Native version, which fails where a module can't be
 * resolved or is Node's own, and compiles that with its Hermes compiler, which fails for syntax that Hermes lacks.
 *
 *   node test/react-native/bundle.mjs DIRECTORY [PLATFORM…]
 *
 * DIRECTORY has a package.json with that version, installed. PLATFORM is android or ios, both if none is named. The packages here have to be built.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundle, here, project } from './metro-build.mjs'

// Newer versions of React Native have it in a package of its own.
const compiler = ['hermes-compiler/hermesc', 'react-native/sdks/hermesc']
  .map((place) => join(project, 'node_modules', place, 'linux64-bin/hermesc'))
  .find((path) => existsSync(path))
if (compiler === undefined) throw new Error(`there is no Hermes compiler in ${project}`)
chmodSync(compiler, 0o755)
const PLATFORMS = ['android', 'ios']
const named = process.argv.slice(3)
const unknown = named.find((platform) => !PLATFORMS.includes(platform))
if (unknown !== undefined) throw new Error(`PLATFORM is android or ios, not ${unknown}`)
const platforms = named.length > 0 ? named : PLATFORMS
const out = mkdtempSync(join(tmpdir(), 'onyx-sync-metro-'))
try {
  for (const platform of platforms) {
    const path = join(out, `${platform}.js`)
    const startedAt = performance.now()
    await bundle({ entry: join(here, 'app.js'), platform, out: path })
    const { status, stderr } = spawnSync(compiler, ['-emit-binary', '-O', '-out', `${path}.hbc`, path], {
      encoding: 'utf8',
    })
    if (status !== 0)
      throw new Error(`Hermes can't compile the bundle for ${platform}:\n${stderr.slice(0, 4_000)}`)
    const kilobytes = Math.round(statSync(`${path}.hbc`).size / 1000)
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(0)
    console.log(`${platform}: bundled and compiled, ${kilobytes} KB of bytecode, ${seconds} s`)
  }
} finally {
  rmSync(out, { recursive: true, force: true })
}

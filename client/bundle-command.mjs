// Puts the built command and what it imports into one file, dist/command/onyx-sync.js: of a command's time, more than half
// went into finding and reading some 600 modules. `--clean` takes it away.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const built = fileURLToPath(new URL('./dist/', import.meta.url))
const out = join(built, 'command')

/** Whoever runs the command has these or not: native modules, and what ws takes where it is there. */
const external = ['better-sqlite3', 'koffi', 'tiny-secp256k1', 'bufferutil', 'utf-8-validate']

/** The package that a module is of, as a path; undefined for ours. */
function packageOf(path) {
  const [, inPackages] = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path.replaceAll(sep, '/')) ?? []
  return inPackages
}

/** What the licenses of the packages ask for that are in the file. */
function licensesOf(modules) {
  const packages = [...new Set(modules.map(packageOf).filter((path) => path !== undefined))].sort()
  return packages
    .map((path) => {
      const { name, version, license } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'))
      const files = readdirSync(path).filter((file) => /^(licen[sc]e|notice)/i.test(file))
      const texts = files.map((file) => readFileSync(join(path, file), 'utf8').trim())
      return [`${name} ${version} (${license?.type ?? license})`, ...texts].join('\n\n')
    })
    .join(`\n\n${'-'.repeat(80)}\n\n`)
}

rmSync(out, { recursive: true, force: true })
if (!process.argv.includes('--clean')) {
  const entry = join(built, 'cli.js')
  if (!existsSync(entry)) throw new Error(`${entry} is not there: run "npm run build"`)
  const bundle = await rolldown({ input: { 'onyx-sync': entry }, platform: 'node', external })
  const { output } = await bundle.write({ dir: out, format: 'esm', entryFileNames: '[name].js' })
  await bundle.close()
  writeFileSync(
    join(out, 'licenses.txt'),
    licensesOf(output.flatMap((chunk) => Object.keys(chunk.modules ?? {}))),
  )
}

// Puts each built command and what it imports into one file, `command/NAME.js` of its package: more than half of a command's
// time went into finding and reading some 600 modules, or 300 of the server's. `command` lies beside `dist`, so that what a
// module finds by its own address (`../package.json`, `../dist/merge-worker.js`) is found from there. `--clean` takes the files away.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

const root = fileURLToPath(new URL('.', import.meta.url))
const COMMANDS = [
  { name: 'onyx-sync', directory: join(root, 'client') },
  { name: 'onyx-sync-server', directory: join(root, 'server') },
]

/** Native modules and what loads them, WebAssembly, and what ws takes where it is there: each from its own package. */
const external = ['better-sqlite3', 'level', 'koffi', 'tiny-secp256k1', 'bufferutil', 'utf-8-validate']

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

/**
 * Modules stay where they are for whoever imports the package, for the server's threads, and for profiles. A file that is as it
 * was isn't touched, since somebody may be starting the command.
 */
async function bundle({ name, directory }) {
  const entry = join(directory, 'dist/cli.js')
  if (!existsSync(entry)) throw new Error(`${entry} is not there: run "npm run build"`)
  const out = join(directory, 'command')
  const bundled = await rolldown({ input: { [name]: entry }, platform: 'node', external })
  const { output } = await bundled.generate({ format: 'esm', entryFileNames: '[name].js' })
  await bundled.close()
  const files = new Map(output.map(({ fileName, code }) => [fileName, code]))
  files.set('licenses.txt', licensesOf(output.flatMap(({ modules }) => Object.keys(modules))))
  mkdirSync(out, { recursive: true })
  for (const [file, text] of files) {
    const path = join(out, file)
    if (!existsSync(path) || readFileSync(path, 'utf8') !== text) writeFileSync(path, text)
  }
  for (const file of readdirSync(out)) if (!files.has(file)) rmSync(join(out, file))
}

if (process.argv.includes('--clean')) {
  for (const { directory } of COMMANDS) rmSync(join(directory, 'command'), { recursive: true, force: true })
} else {
  await Promise.all(COMMANDS.map(bundle))
}

/**
 * Runs the tests of shared and of the client's core in a Hermes VM, bundled by the Metro of a React Native version as
 * an app is. Prints how many passed; ends with 1 if any failed.
 *
 *   node test/react-native/run-hermes-tests.mjs DIRECTORY [FILE…]
 *
 * DIRECTORY has a package.json with React Native and hermes-engine-cli, installed. FILEs, as `test/spec/x.test.ts`, are
 * run in the place of all.
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { replacedInVm, runInVm } from './hermes-vm.mjs'
import { bundle, here, project, root } from './metro-build.mjs'
import { testFiles } from './test-files.mjs'

/** VMs at once, each with its share of the files. */
const SHARES = 2

process.env.ONYX_HERMES_VM = '1'
const replaced = {
  ...replacedInVm,
  'fast-check': join(here, 'vm-fast-check.ts'),
  vitest: join(here, 'vm-vitest.ts'),
  // Sources, as Vitest takes them.
  '@onyx-sync/client': join(root, 'client/src/index.ts'),
  '@onyx-sync/shared': join(root, 'shared/src/index.ts'),
  '@onyx-sync/testing': join(root, 'testing/src/index.ts'),
}

const { run, leftOut, leftOutTests } = testFiles(root)
const chosen = process.argv.slice(3)
const files = chosen.length > 0 ? chosen : run
// Large ones take longest: one by one to each share.
const bySize = [...files].sort((a, b) => statSync(join(root, b)).size - statSync(join(root, a)).size)

const out = mkdtempSync(join(tmpdir(), 'onyx-sync-hermes-'))
// Where Metro finds it and Git doesn't.
const generated = mkdtempSync(join(project, 'node_modules/.hermes-tests-'))
try {
  const entry = join(generated, 'entry.js')
  const own = (name) => JSON.stringify(join(here, name))
  writeFileSync(
    entry,
    [
      `import ${own('vm-globals.js')}`,
      `import ${own('vm-buffer.js')}`,
      `import { fileOf, runAll } from ${own('vm-vitest.ts')}`,
      'const isMine = (index) => index % shares === share',
      ...bySize.map(
        (file, index) =>
          `if (isMine(${index})) fileOf(${JSON.stringify(file)}, () => require(${JSON.stringify(join(root, file))}))`,
      ),
      `void runAll(${JSON.stringify(leftOutTests.map(([name]) => name))})`,
    ].join('\n'),
  )
  const bundled = join(out, 'tests.js')
  await bundle({ entry, platform: 'android', out: bundled, replaced })
  const code = readFileSync(bundled)
  const counts = await Promise.all(
    Array.from({ length: SHARES }, async (_, share) => {
      const path = join(out, `tests-${share}.js`)
      writeFileSync(path, Buffer.concat([Buffer.from(`var share = ${share}, shares = ${SHARES};\n`), code]))
      let last = '{}'
      await runInVm(path, (line) => {
        if (line.startsWith('{"passed"')) last = line
        else console.log(line)
      })
      // Nothing is counted where the VM had nothing left to do before the last test ended.
      return { passed: 0, failed: 1, leftOut: [], ...JSON.parse(last) }
    }),
  )
  const sum = (key) => counts.reduce((total, count) => total + count[key], 0)
  if (chosen.length === 0) {
    for (const { name, reason } of leftOut) console.log(`left out: ${name}, which ${reason}`)
    for (const [name, reason] of leftOutTests) {
      if (!counts.some((count) => count.leftOut.includes(name))) throw new Error(`there is no test "${name}"`)
      console.log(`left out: "${name}…", which ${reason}`)
    }
  }
  console.log(`Hermes: ${sum('passed')} passed, ${sum('failed')} failed`)
  if (sum('failed') > 0 || sum('passed') === 0) {
    console.log(
      'A property has ten runs here: a test that counts what many came upon is to be left out in test-files.mjs.',
    )
    process.exitCode = 1
  }
} finally {
  rmSync(out, { recursive: true, force: true })
  rmSync(generated, { recursive: true, force: true })
}

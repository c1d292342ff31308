/** Which of the tests run in a Hermes VM, and why others don't. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Kinds of tests whose subject is a part without I/O. What the other folders under test/ need, a bare VM lacks. */
const FOLDERS = ['contract', 'property', 'simulation', 'spec']

const SERVER = 'is about the server, or talks to one over a socket'
const NODE_DEVICE = 'opens a database with Node’s adapters, or reads files'

/** Files that a bare VM can't run, with the reason. */
const LEFT_OUT = [
  [/^spec\/(server-.*|attacks.*|leaks|supported-nips)$/, SERVER],
  [/^spec\/(attribution|client-session|roster)$/, SERVER],
  [/^property\/(server-.*|level-tables|native-deflate|records|sealed-places|verifiers)$/, SERVER],
  [/^contract\/(event-log|merger)$/, SERVER],
  [/^contract\/store-(damage|watermelon)$/, NODE_DEVICE],
  [/^contract\/store$/, `${NODE_DEVICE}; the contract itself runs, with the memory store`],
  [/^spec\/node-signatures$/, NODE_DEVICE],
  [/^spec\/client-(accounts|checking|compaction|import|limits|status|tables)$/, NODE_DEVICE],
  [/^spec\/web-.*$/, 'is about the web client'],
  [/^spec\/(docs|traps)$/, 'is about files of the repository'],
  [
    /^spec\/platform-check$/,
    'loads the packages anew on a platform that lacks something, which a bundle can’t',
  ],
  [/^spec\/client-arriving$/, 'copies a disk with structuredClone, which the VM lacks'],
  [/^spec\/platform-inflate$/, 'compares with Node’s zlib'],
  [/^spec\/client-sizes$/, 'takes long: whole accounts'],
  [/^spec\/client-checkpoints$/, 'takes long: hundreds of signatures'],
  [/^property\/compaction$/, 'counts what many runs came upon'],
  [/^property\/(undo|client-plain|apply-update)$/, 'takes long: whole histories'],
  [/^property\/fuzz$/, 'reads its inputs from files'],
  [/^(spec|property)\/client-tabs$/, 'is about the tabs of a browser'],
  [/^simulation\/.*$/, 'is the simulated world, of which run-hermes.mjs runs histories'],
]

/** Tests that a VM can't run, or that alone would take it longer than most files, by a part of their names. */
const LEFT_OUT_TESTS = [
  [
    '[EDT2] does not move a chat back when an older message',
    'waits for time to pass, which the VM’s timers don’t',
  ],
  ['[YJS5][Y14] is bounded: a deflate bomb', 'looks at the memory of a Node process'],
  ['[OUT17] gives events that a server takes', 'counts what many runs came upon'],
  ['[IDL6] hang on nothing of it', 'counts what many runs came upon'],
  ['[IDL5][IDL6] whatever is forged', 'takes long: hundreds of signatures'],
  ['[RPL8] say what they said one by one', 'counts what many runs came upon'],
  ['[STE2] that was changed in any way', 'counts what many runs came upon'],
  ['[YJS12][Y2] of which one never comes', 'counts what many runs came upon'],
  ['[LOD1] gives the same state, and waits for nothing on the way', 'counts what many runs came upon'],
  ['[CKP9] says what the state says, to the byte', 'counts what many runs came upon'],
  ['[CKP9] is what the document held at one moment', 'counts what many runs came upon'],
  ['[STE2] holds at most so many documents', 'takes long'],
  ['[CAT1][C3] is stored in the same batch', 'takes long'],
  ['[OUT15] are not stalled by a person', 'takes long: hundreds of signatures'],
  ['[OUT23] is in parts where it is too large', 'takes long: hundreds of signatures'],
  ['[OUT7] and can not be cut is not sent by retryRefused()', 'takes long'],
  ['[OUT22] is read back where much was written since', 'takes long'],
  ['sets a bad row aside; formatted true', 'takes long'],
  ['[PLN6] gets all of many states', 'takes long: hundreds of signatures'],
  ['[PLN6][S3] misses nothing on a relay that joins', 'takes long: hundreds of signatures'],
  ['[STA11][C8] returns to 0 after any mix of losses', 'takes long: whole histories'],
  ['[STO8] large values', 'takes long'],
  ['[STO42] [C1] a compaction', 'takes long'],
  ['[OUT16] is anything, with an interval of 0', 'takes long: hundreds of signatures'],
  ['[EVT6] fills its pieces', 'takes long'],
  ['[UND2] keeps 4 MiB of what was deleted', 'takes long'],
  ['[UND2] takes back the newest step, however large', 'takes long'],
]

/** What to run, paths from the root of the repository, and what not. Throws where a reason has nothing to be for. */
export function testFiles(root) {
  const names = FOLDERS.flatMap((folder) =>
    readdirSync(join(root, 'test', folder))
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => `${folder}/${name.slice(0, -'.test.ts'.length)}`),
  )
  for (const [pattern] of LEFT_OUT)
    if (!names.some((name) => pattern.test(name))) throw new Error(`no test file is left out by ${pattern}`)
  const leftOut = names.flatMap((name) => {
    const found = LEFT_OUT.find(([pattern]) => pattern.test(name))
    return found === undefined ? [] : [{ name, reason: found[1] }]
  })
  const isOut = new Set(leftOut.map(({ name }) => name))
  return {
    run: [
      'test/react-native/memory-store.ts',
      ...names.filter((name) => !isOut.has(name)).map((name) => `test/${name}.test.ts`),
    ],
    leftOut,
    leftOutTests: LEFT_OUT_TESTS,
  }
}

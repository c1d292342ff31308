// What faults.mjs changes in the build, by the name of the fault.

const laterMs = (ms) => `await new Promise((resolve) => setTimeout(resolve, ${ms}));`

/** By name: the file that is changed, what is looked for, and what comes instead: text, or a function of what was found. */
export const FAULTS = {
  // OK before the event is on disk.
  'ok-before-write': [
    [
      'server/dist/core/ingest.js',
      /await log\.commit\(/,
      `for (const [index, submission] of batch.entries()) settle(submission, outcomes[index]);
       ${laterMs(25)}
       if (commit.events.length > 0) await log.commit(`,
    ],
  ],
  // An event that comes again is stored again.
  'stored-again': [
    ['server/dist/core/ingest.js', /known\[index\] !== true/, 'true'],
    ['server/dist/core/ingest.js', /known\[index\] === true \? 'duplicate' : /, ''],
    ['server/dist/core/ingest.js', /draft\.has\(checked\.event\.id\)/, 'false'],
  ],
  // The call returns, the write comes a little later.
  'edit-early': [
    ['client/dist/core/documents.js', /await journal\.flush\(\);(\s+)return result;/, 'return result;'],
    [
      'client/dist/core/journal.js',
      /for \(let reading = hooks\.prepare\(\)/,
      (found) => `${laterMs(40)} ${found}`,
    ],
  ],
  // A command prints its result, the write comes a little later.
  'output-early': [
    ['client/dist/core/documents.js', /await journal\.flush\(\);(\s+)return result;/, 'return result;'],
    [
      'client/dist/core/journal.js',
      /for \(let reading = hooks\.prepare\(\)/,
      (found) => `${laterMs(40)} ${found}`,
    ],
    [
      'client/dist/cli/commands.js',
      /finally \{\s+await device\.client\.close\(\);/,
      'finally { globalThis.lateWork = device.client.close();',
    ],
    [
      'client/dist/cli.js',
      /process\.exit\(exitCode\);/,
      'await globalThis.lateWork; process.exit(exitCode);',
    ],
  ],
  // The lock is a file that is there or not: nobody takes it away for a process that was killed.
  'lock-stays': [
    [
      'client/dist/adapters/node/file-lock.js',
      /createPrivateFile\(path\);/,
      `if (existsSync(path)) throw new SyncError('DATABASE_LOCKED', 'there is a lock'); createPrivateFile(path);`,
    ],
    [
      'client/dist/adapters/node/file-lock.js',
      /held\.close\(\);/,
      'held.close(); rmSync(path, { force: true });',
    ],
    [
      'client/dist/adapters/node/file-lock.js',
      /const MAX_READER_WAIT_MS/,
      `import { existsSync, rmSync } from 'node:fs'; const MAX_READER_WAIT_MS`,
    ],
  ],
  // Rows of query tables in a batch of their own.
  'rows-apart': [
    [
      'client/dist/core/journal.js',
      /await store\.commit\(toBatch\(changes\)\);/,
      `const { rows, ...rest } = toBatch(changes); await store.commit(rest); ${laterMs(80)} await store.commit({ rows });`,
    ],
  ],
  // What is signed counts as sent, and what is sent as saved.
  'saved-early': [
    [
      'client/dist/core/outbox-queries.js',
      /state === 'pending' \|\| state === 'staged'/,
      `state === 'pending'`,
    ],
  ],
  // What was sent without an answer is signed anew after a crash.
  'signed-again': [
    [
      'client/dist/core/outbox-sender.js',
      /journal\.add\(\{ outboxPut: \[staged\.entry\], outboxDelete \}\);/,
      '',
    ],
  ],
  // The queue lives in memory only.
  'outbox-lost': [
    [
      'client/dist/core/journal.js',
      /outboxPut: \[\.\.\.changes\.outbox\.values\(\)\]\.filter\([^)]*\) => entry !== null\)/,
      'outboxPut: []',
    ],
  ],
  // A dead connection is never found out.
  'no-ping': [
    ['client/dist/core/silence-watch.js', /wait\(pingAfterMs, ping\)/, 'clock.clearTimeout(timer)'],
  ],
  // What a peer doesn't read is kept for it without bound.
  'keeps-all': [
    ['server/dist/adapters/ws-listener.js', /socket\.bufferedAmount <= limits\.maxQueuedBytes/, 'true'],
    [
      'server/dist/adapters/ws-listener.js',
      /if \(!isOpen\(\) \|\| Math\.max\(socket\.bufferedAmount, sentInTurn\(\)\) <= LOW_WATER_BYTES\)/,
      'if (true)',
    ],
  ],
  // A full disk is taken for a stored event.
  'full-disk-ok': [
    ['server/dist/core/ingest.js', /settle\(submission, failure\)/, `settle(submission, 'stored')`],
  ],
  // A failed write is dropped instead of being kept for the next one.
  'failed-write-dropped': [
    ['client/dist/core/journal.js', /pending = mergeChanges\(changes, pending\);/, ''],
  ],
}

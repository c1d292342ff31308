// A device in a process of its own, to be killed: `open FILE` opens and waits; `commit FILE` commits for ever
// and prints each number once its commit has resolved. Runs the build.
import { watermelonStore } from '../../../client/dist/adapters/watermelon/store.js'
import { openNodeDatabase } from '../../../client/dist/node-database.js'

const [mode, file] = process.argv.slice(2)
process.stdout.write('started\n')

try {
  const { database } = await openNodeDatabase({ file })
  process.stdout.write('open\n')
  if (mode === 'commit') await commitForEver(watermelonStore(database))
  setInterval(() => {}, 1_000)
} catch (error) {
  process.stdout.write(`${error.code} ${error.message}\n`)
}

async function commitForEver(store) {
  for (let seq = (await store.lastSeq()) + 1; ; seq++) {
    const id = `m${seq}`
    const rest = { role: 'user', status: '', created_at: 1, edited_at: null, device: '', data: '{}' }
    await store.commit({
      updates: [{ seq, address: 'a', update: new Uint8Array(20_000).fill(seq) }],
      outboxPut: [{ id, lane: 'a', seq, throughSeq: seq, edits: 1, state: 'pending', event: '', reason: '' }],
      rows: [
        {
          table: 'messages',
          put: [
            {
              id,
              address: 'a',
              message_id: id,
              position: seq,
              content: String(seq),
              partial: false,
              ...rest,
            },
          ],
          delete: [],
        },
      ],
      meta: { count: String(seq) },
    })
    process.stdout.write(`${seq}\n`)
  }
}

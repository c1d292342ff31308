import { join } from 'node:path'
import { type Bench, type BenchContext, pause, reported } from './bench.js'
import { growLog } from './grown-log.js'
import { type MeasuredServer, startMeasuredServer } from './server-process.js'
import { type BenchKey, createKey } from './signed-events.js'
import { connectWire, subscribeWire } from './wire-client.js'

/** Accounts whose documents are read at the end: many times more than the server keeps loaded. */
const READ_ACCOUNTS = 20

/** What a document takes of the server's memory that nobody touches, and one that was just merged for a device. */
export const documentMemory: Bench = {
  name: 'documents',
  summary: 'memory of a server with 100,000 documents on disk, untouched, and read by devices',
  async run(context) {
    const { directory, isQuick, progress } = context
    const documents = isQuick ? 1_000 : 100_000
    const data = join(directory, 'full')
    const keys = await growLog(context, data, documents)
    const empty = await serve(context, join(directory, 'empty'), async (server) => {
      await catchUp(server, createKey())
      return settled(context, server)
    })
    return serve(context, data, async (server) => {
      // Somebody without documents: as much was done as on the empty one.
      await catchUp(server, createKey())
      const cold = await settled(context, server)
      const each = documents / keys.length
      await catchUp(server, keys[0] as BenchKey)
      const hot = await settled(context, server)
      for (const [index, key] of keys.slice(1, READ_ACCOUNTS).entries()) {
        progress(`account ${index + 2} of ${READ_ACCOUNTS} is read`)
        await catchUp(server, key)
      }
      const all = await settled(context, server)
      const count = (of: number) => of.toLocaleString('en')
      return [
        reported('an empty server', empty / 1e6, 'MB'),
        reported(`with ${count(documents)} documents on disk`, cold / 1e6, 'MB'),
        reported('a document that nobody touches', (cold - empty) / documents, 'bytes'),
        reported(`after a device got ${count(each)} of ten messages each`, hot / 1e6, 'MB'),
        reported('a document that was merged', (hot - cold) / each / 1e3, 'kB'),
        reported(`after devices got ${count(each * READ_ACCOUNTS)}`, all / 1e6, 'MB'),
      ]
    })
  },
}

async function serve<T>(
  { serverOptions }: BenchContext,
  data: string,
  use: (server: MeasuredServer) => Promise<T>,
): Promise<T> {
  const server = await startMeasuredServer({ data, ...serverOptions })
  try {
    return await use(server)
  } finally {
    await server.stop()
  }
}

/** A new device of an account: documents that have several events come merged. */
async function catchUp(server: MeasuredServer, key: BenchKey): Promise<void> {
  const client = await connectWire(server.url, key)
  await subscribeWire(client, 's', { kinds: [30001], authors: [key.publicKey], after: '' })
  client.close()
}

/** Memory once what was only needed meanwhile has been collected, as far as the engine does that. */
async function settled({ isQuick, progress }: BenchContext, server: MeasuredServer): Promise<number> {
  progress('waiting until memory has settled')
  await pause(isQuick ? 500 : 12_000)
  return server.residentBytes()
}

// A device in a process of its own, to be killed. Runs the build. Takes its orders as one JSON argument and
// prints one JSON array per line: what it is about to do, what is done, and what it says of itself.
import { writeSync } from 'node:fs'
import { createSyncClient } from '@onyx-sync/client'
import { createNodeTransport, openNodeStore } from '@onyx-sync/client/node'
import { finalizeEvent, getPublicKey } from 'nostr-tools/pure'

const orders = JSON.parse(process.argv[2])
const { name, run, db, url, secret, mode, chats, heartbeat } = orders
const secretKey = Uint8Array.from(Buffer.from(secret, 'hex'))
const pubkey = getPublicKey(secretKey)
const settingsAddress = `10001:${pubkey}:`

/** Synchronous: a line that was printed before the kill was really printed. */
function print(...line) {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`)
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at)
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error
    }
  }
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

function seeded(text) {
  let state = 0x811c9dc5
  for (const char of text) state = Math.imul(state ^ char.codePointAt(0), 0x01000193)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const random = seeded(`${orders.seed}/${name}/${run}`)
const below = (limit) => Math.floor(random() * limit)

print('started')
const store = await openNodeStore({ file: db })
const client = await createSyncClient({
  store,
  signer: {
    getPublicKey: async () => pubkey,
    signEvent: async (template) => finalizeEvent({ ...template }, secretKey),
  },
  ...(url === undefined ? {} : { url, transport: createNodeTransport() }),
  ...(heartbeat === undefined ? {} : { heartbeat }),
  // So small that kills meet checkpoints and compactions.
  checkpoints: { minLogBytes: 4_000, ratio: 1.5, waitMs: 30 },
  compaction: { minBytes: 2_000, ratio: 0.3 },
})

async function knownAddresses() {
  return (await store.loadDocuments()).map(({ address }) => address)
}

/** Those whose content is here too. One that was only listed when the server was killed can't be opened without it. */
async function heldAddresses() {
  const documents = await store.loadDocuments()
  return documents.filter(({ body }) => body === 'held' || body === 'local').map(({ address }) => address)
}

/** Documents and query tables as they are, of the chats named or of all. */
async function dump(only) {
  const held = await heldAddresses()
  const addresses = held.filter((address) => address.startsWith('30001:'))
  const result = {}
  for (const address of addresses.filter((each) => only === undefined || only.includes(each))) {
    const { messages } = await client.chats.read(address)
    const rows = await store.loadRows('messages', { column: 'address', equals: address })
    result[address] = {
      messages: messages.map(({ id, content }) => [id, content]),
      rows: rows.sort((a, b) => a.position - b.position).map((row) => [row.message_id, row.content]),
    }
  }
  const { unsent, refused, setAside, problem } = client.status
  const settings = (await client.settings.read()).preferences
  return { chats: result, settings, status: { unsent, refused, setAside, problem } }
}

const addressOf = ({ owner, id }) => `30001:${owner}:${id}`
const opened = await dump(orders.watched)
print('open', opened)

let lastStatus = ''
client.onStatus(({ connection, unsent, refused, isCaughtUp, problem }) => {
  // Read now, not as it was when the notification was queued: all that was printed as done counts.
  const now = client.status
  if (now.unsent === 0 && now.refused === 0) print('saved')
  const status = JSON.stringify([connection, isCaughtUp, problem?.code])
  if (status !== lastStatus) print('status', connection, { unsent, refused, isCaughtUp, problem })
  lastStatus = status
})
if (url !== undefined) client.connect()

/** Chats that this device makes if they aren't there, with their members. */
async function prepareChats() {
  for (const chat of chats) {
    if (!chat.create) continue
    if (!(await knownAddresses()).includes(addressOf(chat))) await client.chats.create({ id: chat.id })
    if (chat.members !== undefined) await client.chats.setMembers(chat.id, chat.members)
  }
}

let count = 0
/** Messages that this device made and may still change, and those with a change under way. */
const own = []
const busy = new Set()

/** Prints what is tried before the call, and that it is done after the call has returned. */
async function perform(cell, value, call) {
  const n = ++count
  busy.add(cell)
  print('try', n, cell, value)
  try {
    await call()
    print('did', n)
  } catch (error) {
    print('failed', n, error.code ?? 'NONE', error.message)
  }
  busy.delete(cell)
}

const LETTERS = ['a', 'bc', 'ø', '😀', ' ', '  ', '\n', '\t', '"', '漢', 'zzzz']
const FILLER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const someText = () => Array.from({ length: 1 + below(24) }, () => LETTERS[below(LETTERS.length)]).join('')

async function edit({ kind = random(), characters = 0 } = {}) {
  const held = await heldAddresses()
  const open = chats.map(addressOf).filter((address) => held.includes(address))
  const free = own.filter(({ cell }) => !busy.has(cell))
  // Text that DEFLATE leaves about as long as it is.
  const noise = seeded('filler')
  const filler = Array.from({ length: characters }, () => FILLER[Math.floor(noise() * FILLER.length)]).join(
    '',
  )
  if (open.length > 0 && (kind < 0.6 || (kind < 0.9 && free.length === 0))) {
    const address = open[below(open.length)]
    const id = `${name}.${run}.${count + 1}`
    const text = `${id} ${someText()}${filler}`
    own.push({ address, id, cell: `${address}#${id}` })
    return perform(`${address}#${id}`, text, () => client.chats.send(address, text, { id }))
  }
  if (kind < 0.8 && free.length > 0) {
    const { address, id, cell } = free[below(free.length)]
    const text = `${id} again ${count + 1} ${someText()}`
    return perform(cell, text, () => client.chats.edit(address, id, text))
  }
  if (kind < 0.9 && free.length > 0) {
    const { address, id, cell } = free[below(free.length)]
    own.splice(
      own.findIndex((message) => message.cell === cell),
      1,
    )
    return perform(cell, null, () => client.chats.deleteMessage(address, id))
  }
  const cell = `${settingsAddress}#counter-${name}`
  if (busy.has(cell)) return undefined
  const value = `${run}.${count + 1}`
  return perform(cell, value, () => client.settings.set(`counter-${name}`, value))
}

let marks = 0
/** Asks for all edits made until now, as an app does before it lets its user log out. */
function askSaved() {
  const mark = ++marks
  print('mark', mark)
  client.saved({ timeoutMs: 5_000 }).then((isSaved) => {
    if (isSaved) print('saved-mark', mark)
  })
}

async function editForEver() {
  await prepareChats()
  print('editing')
  const underWay = new Set()
  for (;;) {
    if (random() < 0.1) askSaved()
    const done = edit().finally(() => underWay.delete(done))
    underWay.add(done)
    // Sometimes one after the other, sometimes several in one batch.
    if (random() < 0.5 || underWay.size >= 4) await done
    await sleep(below(15))
  }
}

process.stdin.setEncoding('utf8')
process.stdin.on('data', (text) => {
  for (const line of text.split('\n').filter((each) => each !== '')) obey(line.split(' '))
})

async function obey([order, argument]) {
  if (order === 'edit') await edit({ kind: 0, characters: Number(argument ?? 0) })
  if (order === 'dump') print('dump', await dump())
  if (order === 'synced') print('synced', await client.synced({ timeoutMs: Number(argument) }))
  if (order === 'close') {
    await client.close()
    process.exit(0)
  }
  print('obeyed', order)
}

if (mode === 'edit') await editForEver()
else if (mode === 'orders') {
  await prepareChats()
  print('ready')
}

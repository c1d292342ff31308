import { readFileSync } from 'node:fs'
import { SyncError } from '@onyx-sync/shared'
import type { JsonValue } from '../model/json.js'
import type { MessageRole } from '../model/message.js'
import { done, type Invocation, type LocalCommand, type Outcome, UsageError } from './command.js'
import { DATA_COMMANDS } from './data-commands.js'
import { initDevice, lastMode, openDevice } from './device.js'
import { HELP } from './help.js'
import {
  formatChat,
  formatChats,
  formatContributions,
  formatSearch,
  formatSettings,
  formatStatus,
  printable,
} from './output.js'
import { readHold, runSync } from './sync-command.js'

/** Commands that work on an opened device and never touch the network. */
const LOCAL: Readonly<Record<string, LocalCommand>> = {
  ...DATA_COMMANDS,
  'chat new': {
    minArgs: 0,
    maxArgs: 0,
    async run({ chats }, _args, options) {
      const chat = await chats.create({ ...text('id', options), ...text('title', options) })
      return done(chat, chat.id)
    },
  },
  'chat list': {
    minArgs: 0,
    maxArgs: 0,
    async run({ chats }, _args, options) {
      const list = await chats.list({ includeDeleted: options.all === true })
      return done(list, formatChats(list))
    },
  },
  'chat show': {
    minArgs: 1,
    maxArgs: 1,
    async run({ chats }, [id = '']) {
      const chat = await chats.read(id)
      return done(chat, formatChat(chat))
    },
  },
  'chat send': {
    minArgs: 2,
    maxArgs: 2,
    async run({ chats }, [id = '', content = ''], options) {
      const role = options.role as MessageRole | undefined
      const message = await chats.send(id, content, role === undefined ? {} : { role })
      return done(message, message.id)
    },
  },
  'chat edit': {
    minArgs: 3,
    maxArgs: 3,
    async run({ chats }, [id = '', messageId = '', content = '']) {
      const message = await chats.edit(id, messageId, content)
      return done(message, message.id)
    },
  },
  'chat delete': {
    minArgs: 1,
    maxArgs: 2,
    async run({ chats }, [id = '', messageId]) {
      if (messageId === undefined) await chats.delete(id)
      else await chats.deleteMessage(id, messageId)
      return done({ deleted: messageId ?? id }, '')
    },
  },
  'chat delete-forever': {
    minArgs: 1,
    maxArgs: 1,
    async run({ chats }, [id = ''], { yes }) {
      const { title, address, messages } = await chats.read(id)
      if (yes !== true) {
        throw new UsageError(
          `this takes ${JSON.stringify(title)} (${count(messages.length)}) away here, on the server and on every device, and nothing brings it back: say --yes if that is what you want`,
          'chat delete-forever',
        )
      }
      await chats.deleteForever(id)
      return done(
        { deletedForever: id, address },
        `${id} is gone here; the server and other devices hear of it with the next sync`,
      )
    },
  },
  'chat rename': {
    minArgs: 2,
    maxArgs: 2,
    async run({ chats }, [id = '', title = '']) {
      await chats.rename(id, title)
      return done({ id, title }, '')
    },
  },
  'chat share': {
    minArgs: 2,
    maxArgs: 2,
    async run({ chats }, [id = '', key = ''], { role = 'write' }) {
      if (role !== 'read' && role !== 'write') throw new UsageError('--role is read or write', 'chat share')
      await chats.share(id, key, { role })
      return done({ id, key, role }, '')
    },
  },
  'chat unshare': {
    minArgs: 2,
    maxArgs: 2,
    async run({ chats }, [id = '', key = '']) {
      await chats.unshare(id, key)
      return done({ id, key, role: 'none' }, '')
    },
  },
  'chat members': {
    minArgs: 1,
    maxArgs: 1,
    async run({ chats }, [id = '']) {
      const members = chats.members(id)
      return done(members, members.map(({ pubkey, role }) => `${pubkey}  ${role}`).join('\n'))
    },
  },
  'settings get': {
    minArgs: 0,
    maxArgs: 1,
    async run({ settings }, [key]) {
      const content = await settings.read()
      if (key === undefined) return done(content, formatSettings(content))
      const value = [content.preferences, content.features].find((section) => Object.hasOwn(section, key))?.[
        key
      ]
      if (value === undefined)
        throw new SyncError('VALUE_INVALID', `there is no setting ${JSON.stringify(key)}`)
      return done(value, printable(typeof value === 'string' ? value : JSON.stringify(value)))
    },
  },
  'settings set': {
    minArgs: 2,
    maxArgs: 2,
    async run({ settings }, [key = '', value = '']) {
      const parsed = jsonOrText(value)
      await settings.set(key, parsed)
      return done({ key, value: parsed }, '')
    },
  },
  'settings feature': {
    minArgs: 2,
    maxArgs: 2,
    async run({ settings }, [name = '', state]) {
      if (state !== 'on' && state !== 'off')
        throw new UsageError('a feature is on or off', 'settings feature')
      await settings.setFeature(name, state === 'on')
      return done({ feature: name, on: state === 'on' }, '')
    },
  },
  train: {
    minArgs: 2,
    maxArgs: 2,
    async run({ training }, [chat = '', messageId = ''], options) {
      if (typeof options.quality !== 'string')
        throw new UsageError('say how good it is with --quality 1..5', 'train')
      await training.submit(chat, messageId, Number(options.quality))
      return done({ chat, message: messageId, quality: Number(options.quality) }, '')
    },
  },
  'train consent': {
    minArgs: 1,
    maxArgs: 1,
    async run({ training }, [state]) {
      if (state !== 'on' && state !== 'off') throw new UsageError('consent is on or off', 'train consent')
      await training.setConsent(state === 'on')
      return done({ consent: state === 'on' }, '')
    },
  },
  'train list': {
    minArgs: 0,
    maxArgs: 0,
    async run({ training }) {
      const list = await training.list()
      return done(list, formatContributions(list))
    },
  },
  'train revoke': {
    minArgs: 1,
    maxArgs: 1,
    async run({ training }, [id = '']) {
      await training.revoke(id)
      return done({ revoked: id }, '')
    },
  },
  'chat search': {
    minArgs: 1,
    maxArgs: 1,
    async run({ chats }, [query = '']) {
      const found = await chats.search(query)
      return done(found, formatSearch(found))
    },
  },
  status: {
    minArgs: 0,
    maxArgs: 0,
    async run(client, _args, _options, { store }) {
      const { pubkey, deviceId, status } = client
      const { documents, unsent, refused, cursor } = status
      const refusedEdits = client.refused()
      const mode = await lastMode(store)
      const said = mode === undefined ? {} : { mode }
      const json = { pubkey, deviceId, documents, unsent, refused, cursor, ...said, refusedEdits }
      return done(json, formatStatus(pubkey, { ...status, mode }, refusedEdits))
    },
  },
}

function count(messages: number): string {
  return messages === 1 ? '1 message' : `${messages} messages`
}

function text(name: string, options: Invocation['options']): Record<string, string> {
  const value = options[name]
  return typeof value === 'string' ? { [name]: value } : {}
}

function jsonOrText(value: string): JsonValue {
  try {
    return JSON.parse(value) as JsonValue
  } catch {
    return value
  }
}

/** Runs a command. `progress` gets lines for a person who waits. Throws `UsageError` or `SyncError`. */
export async function runCommand(invocation: Invocation, progress: (line: string) => void): Promise<Outcome> {
  const { command, args, options } = invocation
  if (HELP[command] === undefined) throw new UsageError(`there is no command ${JSON.stringify(command)}`)
  const db = options.db
  if (typeof db !== 'string' || db === '') throw new UsageError('name the database with --db FILE', command)
  if (command === 'init') return runInit(db, args, options)
  if (command === 'sync') return runSyncCommand(db, args, options, progress)
  const local = LOCAL[command]
  if (local === undefined) throw new UsageError(`there is no command ${JSON.stringify(command)}`)
  checkArgs(command, args, local.minArgs, local.maxArgs)
  const device = await openDevice({ db, isOnline: false })
  try {
    return await local.run(device.client, args, options, device)
  } finally {
    await device.client.close()
  }
}

function checkArgs(command: string, args: readonly string[], min: number, max: number): void {
  if (args.length < min) throw new UsageError(`too few arguments: ${HELP[command]?.usage}`, command)
  if (args.length > max)
    throw new UsageError(`too many arguments: ${HELP[command]?.usage} (quote text with spaces)`, command)
}

async function runInit(
  db: string,
  args: readonly string[],
  options: Invocation['options'],
): Promise<Outcome> {
  checkArgs('init', args, 0, 0)
  const mnemonicFile = options['mnemonic-file']
  if (options.nsec !== undefined && mnemonicFile !== undefined) {
    throw new UsageError('give --nsec or --mnemonic-file, not both', 'init')
  }
  const derivation = options.derivation ?? 'nip06'
  if (derivation !== 'nip06' && derivation !== 'onyx')
    throw new UsageError('--derivation is nip06 or onyx', 'init')
  const keyFile = options['key-file']
  const result = await initDevice({
    db,
    derivation,
    ...(typeof keyFile === 'string' ? { keyFile } : {}),
    ...text('nsec', options),
    ...(typeof mnemonicFile === 'string' ? { mnemonic: readMnemonic(mnemonicFile) } : {}),
  })
  return done(result, `device  ${result.db}\nkey     ${result.keyFile}\naccount ${result.pubkey}`)
}

function readMnemonic(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new SyncError(
      'KEY_INVALID',
      `the mnemonic file ${file} can't be read (${(cause as NodeJS.ErrnoException).code})`,
      { cause },
    )
  }
}

async function runSyncCommand(
  db: string,
  args: readonly string[],
  options: Invocation['options'],
  progress: (line: string) => void,
): Promise<Outcome> {
  checkArgs('sync', args, 0, 0)
  const timeoutSeconds = Number(options.timeout ?? 30)
  if (!(timeoutSeconds > 0)) throw new UsageError('--timeout is a number of seconds above 0', 'sync')
  const hold = typeof options.hold === 'string' ? readHold(options.hold) : undefined
  if (hold === undefined && options.hold !== undefined) {
    throw new UsageError('--hold is all, none, recent:N, days:N or ids:ID,ID', 'sync')
  }
  const keyFile = options['key-file']
  const report = await runSync({
    db,
    watch: options.watch === true,
    allowInsecure: options.insecure === true,
    timeoutSeconds,
    progress,
    ...text('url', options),
    ...(hold === undefined ? {} : { hold }),
    ...(typeof keyFile === 'string' ? { keyFile } : {}),
  })
  if (report.ok) return done(report, 'synced: everything is saved on the server and here')
  return { json: report, text: '', exitCode: 2, complaint: report.reason ?? 'not synced' }
}

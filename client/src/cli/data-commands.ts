import { readFileSync, writeFileSync } from 'node:fs'
import { SyncError } from '@onyx-sync/shared'
import { readOnyxFile } from '../adapters/node/onyx-file.js'
import type { SyncClient } from '../client-api.js'
import { moveAccount } from '../identity/move-account.js'
import { exportToJson, exportToMarkdown } from '../model/export-chats.js'
import type { ImportedData } from '../model/import/imported-chat.js'
import { readImport } from '../model/import/read-import.js'
import { readOnyxRows } from '../model/import/read-onyx.js'
import { done, type LocalCommand, type Outcome, UsageError } from './command.js'
import { openDevice } from './device.js'
import { printable } from './output.js'

/** Commands that move chats in and out, or make the query tables anew. */
export const DATA_COMMANDS: Readonly<Record<string, LocalCommand>> = {
  'import-onyx': {
    minArgs: 1,
    maxArgs: 1,
    async run(client, [file = '']) {
      const rows = readOnyxFile(file)
      const data = rows === undefined ? readImport(readText(file)) : readOnyxRows(rows)
      if (data.source !== 'onyx')
        throw new SyncError(
          'IMPORT_INVALID',
          `${file} is an export of ${data.source}: use "onyx-sync import"`,
        )
      return bringIn(client, data)
    },
  },
  import: {
    minArgs: 1,
    maxArgs: 1,
    run: async (client, [file = '']) => bringIn(client, readImport(readText(file))),
  },
  export: {
    minArgs: 0,
    maxArgs: 0,
    async run({ chats }, _args, { format = 'json', chat, out }) {
      if (format !== 'json' && format !== 'markdown')
        throw new UsageError('--format is json or markdown', 'export')
      const ids = typeof chat === 'string' ? [chat] : (await chats.list()).map(({ address }) => address)
      const contents = await Promise.all(ids.map((id) => chats.read(id)))
      const text = format === 'json' ? exportToJson(contents) : exportToMarkdown(contents)
      if (typeof out !== 'string') return done(contents, text.trimEnd())
      // What people wrote is theirs to show to others.
      writeFileSync(out, text, { mode: 0o600 })
      return done({ file: out, chats: contents.length }, `${contents.length} chats in ${out}`)
    },
  },
  'move-from': {
    minArgs: 1,
    maxArgs: 1,
    async run(client, [db = '']) {
      const old = await openDevice({ db, isOnline: false })
      try {
        const report = await moveAccount(old.client, client)
        const left = report.left.length === 0 ? '' : `, ${report.left.length} of others left`
        return done(report, `moved ${report.chats} chats and the settings to ${client.pubkey}${left}`)
      } finally {
        await old.client.close()
      }
    },
  },
  rebuild: {
    minArgs: 0,
    maxArgs: 0,
    async run(client) {
      const documents = await client.rebuild()
      return done({ documents }, `rebuilt the query tables from ${documents} documents`)
    },
  },
}

async function bringIn(client: SyncClient, { source, chats, problems }: ImportedData): Promise<Outcome> {
  const imported = await client.import(chats)
  const report = { source, ...imported, problems: [...problems, ...imported.problems] }
  const { newChats, newMessages, knownMessages } = report
  return {
    ...done(report, `${newChats} new chats, ${newMessages} new messages, ${knownMessages} known already`),
    ...(report.problems.length === 0 ? {} : { complaint: printable(report.problems.join('\n')) }),
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new SyncError('IMPORT_INVALID', `${file} can't be read (${code})`, { cause })
  }
}

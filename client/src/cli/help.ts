/** One command of the terminal device. */
export interface CommandHelp {
  readonly usage: string
  readonly summary: string
  readonly options?: readonly (readonly [string, string])[]
  readonly examples: readonly string[]
}

/** Every command by its words. */
export const HELP: Readonly<Record<string, CommandHelp>> = {
  init: {
    usage: 'init --db FILE [--key-file FILE] [--nsec NSEC | --mnemonic-file FILE [--derivation nip06|onyx]]',
    summary: 'make a device: a database and, unless there is one, a key',
    options: [
      [
        '--key-file FILE',
        'where the private key is kept, readable by you only (default: DB.key); an existing one is used',
      ],
      ['--nsec NSEC', 'use this private key; other users of this machine may see it in the process list'],
      ['--mnemonic-file FILE', 'derive the private key from the words in this file'],
      ['--derivation HOW', 'nip06 (default), or onyx as the Onyx app does'],
    ],
    examples: ['onyx-sync init --db phone.db', 'onyx-sync init --db laptop.db --key-file phone.db.key'],
  },
  'chat new': {
    usage: 'chat new [--id ID] [--title TITLE]',
    summary: 'make a chat',
    options: [
      ['--id ID', 'its id, 1–128 characters (default: random)'],
      ['--title TITLE', 'its title'],
    ],
    examples: ['onyx-sync chat new --db phone.db --id oslo --title "Trip to Oslo"'],
  },
  'chat list': {
    usage: 'chat list [--all]',
    summary: 'list chats by last activity',
    options: [['--all', 'deleted ones too']],
    examples: ['onyx-sync chat list --db phone.db'],
  },
  'chat show': {
    usage: 'chat show ID',
    summary: 'show a chat with its messages',
    examples: ['onyx-sync chat show oslo --db phone.db', 'onyx-sync chat show oslo --db phone.db --json'],
  },
  'chat send': {
    usage: 'chat send ID TEXT [--role ROLE]',
    summary: 'append a message',
    options: [['--role ROLE', 'user (default), assistant, system or tool']],
    examples: [
      'onyx-sync chat send oslo "What should I pack?" --db phone.db',
      'onyx-sync chat send oslo --db phone.db -- "-12 °C"',
    ],
  },
  'chat search': {
    usage: 'chat search QUERY',
    summary: 'find chats by title, and messages that hold every word, or begin with it',
    examples: ['onyx-sync chat search "rain jacket" --db phone.db'],
  },
  'chat edit': {
    usage: 'chat edit ID MESSAGE TEXT',
    summary: "replace a message's text",
    examples: ['onyx-sync chat edit oslo 3fb1k9 "What should I pack in May?" --db phone.db'],
  },
  'chat delete': {
    usage: 'chat delete ID [MESSAGE]',
    summary: 'mark a chat as deleted, or delete one message of it',
    examples: ['onyx-sync chat delete oslo --db phone.db', 'onyx-sync chat delete oslo 3fb1k9 --db phone.db'],
  },
  'chat delete-forever': {
    usage: 'chat delete-forever ID --yes',
    summary: 'delete a chat of yours for good, here and with the next sync on the server and every device',
    options: [['--yes', 'that this is what you want (needed): nothing brings the chat back']],
    examples: ['onyx-sync chat delete-forever oslo --yes --db phone.db'],
  },
  'chat rename': {
    usage: 'chat rename ID TITLE',
    summary: 'give a chat another title',
    examples: ['onyx-sync chat rename oslo "Oslo in May" --db phone.db'],
  },
  'chat share': {
    usage: 'chat share ID KEY [--role read|write]',
    summary: 'let a public key into a chat of yours, or give it another role',
    options: [['--role ROLE', 'write (default), or read']],
    examples: ['onyx-sync chat share oslo 4f6b… --role read --db phone.db'],
  },
  'chat unshare': {
    usage: 'chat unshare ID KEY',
    summary: 'take a public key out of a chat of yours',
    examples: ['onyx-sync chat unshare oslo 4f6b… --db phone.db'],
  },
  'chat members': {
    usage: 'chat members ID',
    summary: 'list who else may read or write a chat',
    examples: ['onyx-sync chat members oslo --db phone.db'],
  },
  'settings get': {
    usage: 'settings get [KEY]',
    summary: 'show settings, or one of them',
    examples: ['onyx-sync settings get --db phone.db', 'onyx-sync settings get activeModel --db phone.db'],
  },
  'settings set': {
    usage: 'settings set KEY VALUE',
    summary: 'set a preference; VALUE is JSON, or else taken as text',
    examples: [
      'onyx-sync settings set activeModel opus --db phone.db',
      "onyx-sync settings set repos '[]' --db phone.db",
    ],
  },
  'settings feature': {
    usage: 'settings feature NAME on|off',
    summary: 'switch a feature',
    examples: ['onyx-sync settings feature web-search on --db phone.db'],
  },
  train: {
    usage: 'train CHAT MESSAGE --quality 1..5',
    summary: 'contribute a message as training data, with the next sync',
    options: [['--quality N', 'how good it is, 1 to 5']],
    examples: ['onyx-sync train oslo 3fb1k9 --quality 4 --db phone.db'],
  },
  'train consent': {
    usage: 'train consent on|off',
    summary:
      'agree to contribute training data, or take that back with what waits; off until it is switched on',
    examples: ['onyx-sync train consent on --db phone.db'],
  },
  'train list': {
    usage: 'train list',
    summary: 'list what was contributed on this device',
    examples: ['onyx-sync train list --db phone.db'],
  },
  'train revoke': {
    usage: 'train revoke ID',
    summary: 'take back a contribution; one that was sent is deleted on the server with the next sync',
    examples: ['onyx-sync train revoke training-17 --db phone.db'],
  },
  'import-onyx': {
    usage: 'import-onyx FILE',
    summary: 'bring in the chats of Onyx: its onyx.db, or its export from the web; twice is the same as once',
    examples: ['onyx-sync import-onyx onyx.db --db phone.db'],
  },
  import: {
    usage: 'import FILE',
    summary:
      'bring in an export of onyx-sync, or conversations.json of ChatGPT or Claude; twice is the same as once',
    examples: ['onyx-sync import conversations.json --db phone.db'],
  },
  export: {
    usage: 'export [--format json|markdown] [--chat ID] [--out FILE]',
    summary: 'write all chats, or one, as JSON that can be imported again, or as Markdown to read',
    options: [
      ['--format HOW', 'json (default) or markdown'],
      ['--chat ID', 'only this chat'],
      ['--out FILE', 'write a file, readable by you only (default: standard output)'],
    ],
    examples: [
      'onyx-sync export --db phone.db --out chats.json',
      'onyx-sync export --chat oslo --format markdown --db phone.db',
    ],
  },
  'move-from': {
    usage: 'move-from OLD_DB',
    summary: 'bring in everything that the account of another database owns, signed anew as this account',
    examples: ['onyx-sync move-from throw-away.db --db real.db'],
  },
  rebuild: {
    usage: 'rebuild',
    summary: 'make the tables that apps query anew from the documents',
    examples: ['onyx-sync rebuild --db phone.db'],
  },
  status: {
    usage: 'status',
    summary: 'show what is unsent or refused',
    examples: ['onyx-sync status --db phone.db', 'onyx-sync status --db phone.db --json'],
  },
  sync: {
    usage: 'sync [--url WS] [--watch] [--timeout SECONDS] [--hold WHAT] [--insecure]',
    summary: 'send what is unsent and get what is new; the only command that uses the network',
    options: [
      ['--url WS', "the server's address (default: the one used last)"],
      ['--watch', 'stay and keep syncing until Ctrl-C'],
      ['--timeout SECONDS', 'give up after this long (default: 30)'],
      ['--insecure', 'allow ws: to another machine, which is not encrypted'],
      ['--hold WHAT', 'hold all, none, recent:N, days:N or ids:ID,ID (default: as before)'],
      ['--key-file FILE', 'where the private key is (default: as told to init)'],
    ],
    examples: [
      'onyx-sync sync --db phone.db --url ws://127.0.0.1:7447/sync',
      'onyx-sync sync --db phone.db --watch',
      'onyx-sync sync --db phone.db --hold recent:20',
    ],
  },
}

const COMMON: readonly (readonly [string, string])[] = [
  ['--db FILE', "the device's database (needed)"],
  ['--json', 'print JSON for scripts'],
  ['--help', 'show help and exit'],
]

const EXIT_CODES =
  'Exit codes: 0 done; 1 an error, said on stderr; 2 (sync) something is still unsent, refused or not caught up.'

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n')
}

/** Help for one command, or the overview. */
export function helpText(command: string | undefined): string {
  const help = command === undefined ? undefined : HELP[command]
  if (help === undefined) {
    const rows = Object.values(HELP).map(({ usage, summary }) => [usage, summary] as const)
    const list = rows.map(([usage, summary]) => `  ${usage}\n      ${summary}`).join('\n')
    return [
      'onyx-sync: a device for the terminal. Chats and settings live in a file and work offline;\n"sync" brings devices of one account together.',
      `Usage: onyx-sync COMMAND --db FILE [options]\n\nCommands:\n${list}`,
      `Options of all commands:\n${columns(COMMON)}`,
      'Examples:\n  onyx-sync init --db phone.db\n  onyx-sync chat new --db phone.db --id oslo --title "Trip to Oslo"\n  onyx-sync chat send oslo "What should I pack?" --db phone.db\n  onyx-sync sync --db phone.db --url ws://127.0.0.1:7447/sync',
      EXIT_CODES,
    ].join('\n\n')
  }
  const examples = help.examples.map((example) => `  ${example}`).join('\n')
  return [
    `onyx-sync ${help.usage}\n\n${help.summary}`,
    `Options:\n${columns([...(help.options ?? []), ...COMMON])}`,
    `Examples:\n${examples}`,
    EXIT_CODES,
  ].join('\n\n')
}

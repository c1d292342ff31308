import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createMemoryLog, createSyncServer, type SyncServerOptions } from '@onyx-sync/server'
import { DEFAULT_LIMITS, LIMIT_UNITS } from '@onyx-sync/shared'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { parseConfig } from '../../server/src/config/check.js'
import { readConfigRequest } from '../../server/src/config/load.js'
import { CONFIG_OPTIONS, type ConfigOption } from '../../server/src/config/options.js'
import type { ServerConfigInput } from '../../server/src/config/schema.js'
import { afterThisTest } from '../support/after-test.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const BIN = join(root, 'server/bin/onyx-sync-server.js')

function configFile(content: unknown): string {
  const directory = mkdtempSync(join(tmpdir(), 'onyx-sync-config-'))
  afterThisTest(() => rmSync(directory, { recursive: true, force: true }))
  const file = join(directory, 'config.json')
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
  return file
}

const load = (args: readonly string[] = [], environment: Record<string, string> = {}) =>
  readConfigRequest(args, environment).load()

/** Some value of an option other than its default, as a text. */
function otherValue({ name, type, default: preset }: ConfigOption): string {
  if (name === 'compression') return 'off'
  if (name === 'verifier') return 'pure'
  if (name === 'logFormat') return 'json'
  if (name === 'logLevel') return 'warn'
  if (name === 'trustedProxies') return '10.0.0.0/8,::1'
  if (name === 'web.connect') return 'https://a.example,http://127.0.0.1:*'
  if (name === 'operators') return `${'ab'.repeat(32)},${'cd'.repeat(32)}`
  if (name === 'url') return 'wss://a.example/sync,wss://b.example/sync'
  if (type === 'numbers') return '7,30023'
  if (type === 'switch') return String(preset !== true)
  return type === 'number' ? String(Math.ceil(Number(preset) / 2) + 1) : `other-${name}`
}

function get(value: unknown, path: readonly string[]): unknown {
  return path.reduce((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], value)
}

/** `{ a: { b: value } }` */
function nested(path: readonly string[], value: unknown): unknown {
  return path.reduceRight((inner, key) => ({ [key]: inner }), value)
}

describe('a configuration', () => {
  it.each(CONFIG_OPTIONS)('[CFG1] $name: flag before environment before file before default', (option) => {
    const { path, name, flag, variable, type } = option
    const text = otherValue(option)
    const value = {
      number: Number(text),
      switch: text === 'true',
      text,
      list: text.split(','),
      numbers: text.split(',').map(Number),
    }[type]
    const { config: preset, from } = load()
    // Neither half of a certificate and its key is any use without the other.
    const others = CONFIG_OPTIONS.filter(
      (other) => path[0] === 'tls' && other.path[0] === 'tls' && other !== option,
    )
    const rest = others.flatMap((other) => [`--${other.flag}`, 'x'])
    const file = configFile(nested(path, value))
    const bySource = [
      [load(['--config', file, ...rest]), file],
      [load(rest, { ONYX_SYNC_CONFIG: file }), file],
      [load(rest, { [variable]: text }), variable],
      [load([`--${flag}`, text, ...rest]), `--${flag}`],
    ] as const
    for (const [{ config, from }, source] of bySource) {
      expect(get(config, path)).toEqual(value)
      expect(from[name]).toBe(source)
    }
    expect(get(preset, path)).toEqual(option.default)
    expect(from[name]).toBe(option.default === undefined ? undefined : 'default')
    expect(load([`--${flag}`, text, ...rest], { [variable]: '' }).from[name]).toBe(`--${flag}`)
  })

  it('[CFG1] of a value that is given in several places the nearest one counts', () => {
    const file = configFile({
      port: 1,
      name: 'file',
      limits: { maxFilters: 3, maxTags: 4 },
      url: 'ws://f/sync',
    })
    const environment = { ONYX_SYNC_PORT: '2', ONYX_SYNC_NAME: 'environment', ONYX_SYNC_MAX_FILTERS: '5' }
    const { config, from } = load(
      ['--config', file, '--port', '3', '--url', 'ws://a/sync', '--url', 'ws://b/sync'],
      environment,
    )
    expect(config).toMatchObject({ port: 3, name: 'environment', url: ['ws://a/sync', 'ws://b/sync'] })
    expect(config.limits).toEqual({ ...DEFAULT_LIMITS, maxFilters: 5, maxTags: 4 })
    expect(from).toMatchObject({
      port: '--port',
      name: 'ONYX_SYNC_NAME',
      'limits.maxTags': file,
      data: 'default',
    })
    expect(load(['--config', file]).config.url).toEqual(['ws://f/sync'])
  })

  it('[CFG2] every fault is told at once, with its place and what would do', () => {
    const file = configFile({
      port: '80',
      limits: { maxFilter: 3, maxTags: 2.5 },
      hosts: 'x',
      name: 7,
      url: 'http://x',
    })
    const environment = { ONYX_SYNC_PRT: '1', ONYX_SYNC_MAX_TAGS: 'many', ONYX_SYNC_DEBUG: '1' }
    const message = (args: string[], variables = {}) => {
      try {
        return JSON.stringify(load(args, variables).config)
      } catch (error) {
        return (error as Error).message
      }
    }
    expect(
      message(['--config', file, '--port', '80', '--compression', 'on'], environment).split('\n').sort(),
    ).toEqual(
      [
        `${file}: port must be a whole number from 0 to 65535, not "80"`,
        `${file}: limits.maxFilter is no option, did you mean maxFilters?`,
        `${file}: limits.maxTags must be a whole number from 1 to 9007199254740991, not 2.5`,
        `${file}: hosts is no option, did you mean host?`,
        `${file}: name must be a text of 1 to 100 characters, not 7`,
        `${file}: url.0 must be a URL that begins with ws:// or wss://, not "http://x"`,
        'ONYX_SYNC_PRT is no option, did you mean ONYX_SYNC_PORT?',
        'ONYX_SYNC_MAX_TAGS must be a whole number from 1 to 9007199254740991, not "many"',
        '--compression must be "large" or "off", not "on"',
      ].sort(),
    )
    expect(message(['--prot', '1', 'extra', '--port', '--data', 'x'])).toBe(
      '--prot is no option, did you mean --port?\n1: this command takes options only\nextra: this command takes options only\n--port needs a value\nx: this command takes options only',
    )
    expect(message([], { ONYX_SYNC_PORT: 'tcp://10.0.0.1:7447' })).toContain('enableServiceLinks')
    expect(message(['--config', '/nowhere/x.json'])).toMatch(/^\/nowhere\/x\.json can't be read: ENOENT/)
    expect(message(['--config', configFile('{"port":')])).toContain('is no JSON')
    expect(message(['--config', configFile([])])).toContain('must hold one JSON object')
    expect(message(['--config', configFile({ limits: 3 })])).toMatch(
      /limits must be an object with maxMessageBytes, .*not 3/,
    )
    expect(message(['--config', configFile('{"__proto__":{"port":1},"constructor":1}')])).toMatch(
      /constructor is no option/,
    )
  })

  it('[CFG2] the command ends with 2 and opens nothing', () => {
    const data = join(tmpdir(), `onyx-sync-never-${process.pid}`)
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [BIN, 'serve', '--data', data, '--max-filters', '0', '--url', 'x'],
      { encoding: 'utf8', env: { ...process.env, ONYX_SYNC_BOGUS: 'x' } },
    )
    expect([status, stdout]).toEqual([2, ''])
    expect(stderr).toBe(
      [
        'onyx-sync-server: ONYX_SYNC_BOGUS is no option',
        'onyx-sync-server: --url must be a URL that begins with ws:// or wss://, not "x"',
        'onyx-sync-server: --max-filters must be a whole number from 1 to 9007199254740991, not 0',
        'Try --help.\n',
      ].join('\n'),
    )
    expect(existsSync(data)).toBe(false)
  })

  it('[CFG3] --print-config prints what would be used, which serves as a file, and opens nothing', () => {
    const data = join(tmpdir(), `onyx-sync-never-${process.pid}`)
    const print = (...args: string[]) =>
      JSON.parse(
        execFileSync(process.execPath, [BIN, ...args, '--print-config'], {
          encoding: 'utf8',
          env: { ...process.env, ONYX_SYNC_NAME: 'mine' },
        }),
      ) as { config: object; from: Record<string, string> }
    const printed = print('--data', data, '--max-filters', '8')
    expect(printed.config).toEqual({
      ...load().config,
      data,
      name: 'mine',
      limits: { ...DEFAULT_LIMITS, maxFilters: 8 },
    })
    expect(printed.from).toMatchObject({
      data: '--data',
      name: 'ONYX_SYNC_NAME',
      port: 'default',
      'limits.maxFilters': '--max-filters',
    })
    expect(existsSync(data)).toBe(false)
    const file = configFile(printed.config)
    expect(print('--config', file).config).toEqual(printed.config)
  })

  it('[CFG4] createSyncServer takes the same options and refuses the same faults', () => {
    const log = createMemoryLog()
    for (const [options, message] of [
      [{ port: -1 }, /^port must be a whole number/],
      [{ url: 'http:x' }, /^url\.0 must be a URL/],
      [{ limits: { maxTags: 0 } }, /^limits\.maxTags must be/],
      [{ limits: { maxTag: 1 } }, /^limits\.maxTag is no option, did you mean maxTags\?/],
      [{ prot: 1 }, /^prot is no option, did you mean port\?/],
    ] as const) {
      const create = () => createSyncServer({ log, ...options } as SyncServerOptions)
      expect(create).toThrow(
        expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) }),
      )
    }
    type Parts = 'log' | 'server' | 'clock' | 'random' | 'logger'
    // How the command writes its log; another program hands in a logger.
    type Own = 'logFormat' | 'logLevel'
    type Shared = Exclude<keyof ServerConfigInput, Own>
    expectTypeOf<Exclude<keyof SyncServerOptions, Parts>>().toEqualTypeOf<Shared>()
  })

  it('[CFG5] is shown in OPERATIONS as it can be used', () => {
    const page = readFileSync(join(root, 'docs/OPERATIONS.md'), 'utf8')
    const shown = [...page.matchAll(/```json\n(.*?)```/gs)].map(([, json]) => JSON.parse(json as string))
    expect(shown.length).toBeGreaterThanOrEqual(3)
    const configs = shown.map((value) => parseConfig(value))
    expect(configs.find(({ tls }) => tls !== undefined)).toMatchObject({ port: 443, host: '0.0.0.0' })
    expect(configs.find(({ trustedProxies }) => trustedProxies.length > 0)).toMatchObject({
      url: ['wss://sync.example.com/sync'],
    })
  })

  it('[CFG5] is documented: every option with flag, variable, range and default', () => {
    const page = readFileSync(join(root, 'docs/CONFIGURATION.md'), 'utf8')
    const rows = page.split('\n').filter((line) => line.startsWith('| `'))
    const expected = CONFIG_OPTIONS.filter(({ path }) => path[0] !== 'limits').map(
      ({ name, flag, variable, expected, default: preset, description }) => {
        const shown =
          preset === undefined ? '' : `\`${Array.isArray(preset) ? JSON.stringify(preset) : preset}\``
        return `| \`${name}\` | \`--${flag}\` | \`${variable}\` | ${expected} | ${shown} | ${description} |`
      },
    )
    expect(rows).toEqual(expected)
    const limits = CONFIG_OPTIONS.filter(({ path }) => path[0] === 'limits')
    expect(limits.map(({ path }) => path[1])).toEqual(Object.keys(DEFAULT_LIMITS))
    expect(Object.keys(LIMIT_UNITS)).toEqual(Object.keys(DEFAULT_LIMITS))
  })
})

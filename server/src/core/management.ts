import { isHex64, type Limits, type Logger, SyncError, toSyncError } from '@onyx-sync/shared'
import type { Moderation } from './moderation.js'

/** A call and its parameters, as they came. */
export interface ManagementCall {
  readonly method: unknown
  readonly params: unknown
}

/** The answer to a call. */
export type ManagementAnswer =
  | { readonly result: unknown }
  | { readonly result: null; readonly error: string }

export interface ManagementOptions {
  readonly moderation: Moderation
  readonly logger: Logger
  readonly limits: Limits
  /** An IP address as the server compares it; undefined for what is none. */
  normalizeIp(text: string): string | undefined
  /** Numbers about the running server. */
  stats(): Promise<Readonly<Record<string, number>>>
}

type Method = (params: readonly unknown[]) => unknown

/** Longest name, description or reason, characters. */
const MAX_TEXT = 1_000
/** Methods that change nothing. */
const READS = /^(list\w+|supportedmethods|stats|limits)$/

/** What operators may do with a running server. Source: NIP-86, SPEC MAN2–MAN5. */
export function createManagement(options: ManagementOptions) {
  const { moderation, logger, limits } = options

  function listed(list: 'banned' | 'allowed' | 'blocked-ip', name: string) {
    return moderation.list(list).map(({ key, reason }) => ({ [name]: key, reason }))
  }

  async function set(name: 'name' | 'description', params: readonly unknown[]): Promise<true> {
    await moderation.change([{ list: 'setting', key: name, value: textOf(params[0], name) }])
    return true
  }

  function ipOf(params: readonly unknown[]): string {
    const ip = typeof params[0] === 'string' ? options.normalizeIp(params[0]) : undefined
    if (ip === undefined) throw invalid('the first parameter is an IP address')
    return ip
  }

  function pubkeyOf(params: readonly unknown[]): string {
    const [pubkey] = params
    if (!isHex64(pubkey)) throw invalid('the first parameter is a public key, 64 lower-case hex characters')
    return pubkey
  }

  const methods: Readonly<Record<string, Method>> = {
    supportedmethods: () => Object.keys(methods).filter((name) => name !== 'supportedmethods'),
    async banpubkey(params) {
      const key = pubkeyOf(params)
      if (moderation.isOperator(key)) throw invalid('an operator can not be banned')
      await moderation.change([
        { list: 'banned', key, value: reasonOf(params) },
        { list: 'allowed', key, value: undefined },
      ])
      return true
    },
    async unbanpubkey(params) {
      await moderation.change([{ list: 'banned', key: pubkeyOf(params), value: undefined }])
      return true
    },
    listbannedpubkeys: () => listed('banned', 'pubkey'),
    async allowpubkey(params) {
      const key = pubkeyOf(params)
      await moderation.change([
        { list: 'allowed', key, value: reasonOf(params) },
        { list: 'banned', key, value: undefined },
      ])
      return true
    },
    async unallowpubkey(params) {
      await moderation.change([{ list: 'allowed', key: pubkeyOf(params), value: undefined }])
      return true
    },
    listallowedpubkeys: () => listed('allowed', 'pubkey'),
    async setallowlistonly([isOnly]) {
      if (typeof isOnly !== 'boolean') throw invalid('the first parameter is true or false')
      await moderation.change([{ list: 'setting', key: 'allow-list-only', value: String(isOnly) }])
      return true
    },
    async blockip(params) {
      await moderation.change([{ list: 'blocked-ip', key: ipOf(params), value: reasonOf(params) }])
      return true
    },
    async unblockip(params) {
      await moderation.change([{ list: 'blocked-ip', key: ipOf(params), value: undefined }])
      return true
    },
    listblockedips: () => listed('blocked-ip', 'ip'),
    changerelayname: (params) => set('name', params),
    changerelaydescription: (params) => set('description', params),
    stats: async () => ({
      ...(await options.stats()),
      banned_pubkeys: moderation.list('banned').length,
      allowed_pubkeys: moderation.list('allowed').length,
      blocked_ips: moderation.list('blocked-ip').length,
      allow_list_only: moderation.setting('allow-list-only') === 'true',
    }),
    limits: () => limits,
  }

  return async ({ method, params }: ManagementCall, operator: string): Promise<ManagementAnswer> => {
    try {
      const run = typeof method === 'string' && Object.hasOwn(methods, method) ? methods[method] : undefined
      if (run === undefined) throw invalid('there is no such method; ask supportedmethods')
      if (!Array.isArray(params)) throw invalid('params is an array')
      const result = await run(params)
      // Somebody who watches asks every few seconds.
      if (READS.test(method as string)) logger.debug('an operator asked this server', { operator, method })
      else logger.info('an operator managed this server', { operator, method })
      return { result }
    } catch (error) {
      const failure = toSyncError(error)
      if (failure.code === 'INTERNAL') logger.error('managing failed', { error: String(error) })
      return { result: null, error: failure.code === 'INTERNAL' ? 'it failed' : failure.message }
    }
  }
}

function reasonOf([, reason = '']: readonly unknown[]): string {
  return textOf(reason, 'reason')
}

function textOf(text: unknown, what: string): string {
  if (typeof text !== 'string' || text.length > MAX_TEXT)
    throw invalid(`the ${what} is a text of at most ${MAX_TEXT} characters`)
  return text
}

function invalid(message: string): SyncError {
  return new SyncError('VALUE_INVALID', message)
}

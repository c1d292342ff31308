import { whyNotExtraKind } from '@onyx-sync/shared'
import { SCHNORR_CHOICES } from '@onyx-sync/shared/node'
import { z } from 'zod'
import { isNetwork } from '../adapters/client-address.js'
import { LOG_FORMATS, LOG_LEVELS } from '../adapters/line-logger.js'
import { limitsSchema } from './limits-schema.js'

/** Each kind that a filter doesn't name is read from a list of its own. */
const MAX_EXTRA_KINDS = 100

/**
 * Every option of a server that is plain data, with its type, range, default and description. Flags, variables of
 * the environment, the configuration file, `createSyncServer` and the page docs/CONFIGURATION.md all follow from
 * it. To add an option, add it here and a row to that page. Source: SPEC CFG1–CFG4.
 */
export const configSchema = z.strictObject({
  data: z
    .string()
    .min(1)
    .default('./data')
    .meta({ description: 'directory of the database, made if missing' }),
  host: z.string().min(1).default('127.0.0.1').meta({ description: 'interface to listen on' }),
  port: z.int().min(0).max(65_535).default(7447).meta({ description: 'TCP port, 0 for a free one' }),
  url: z
    .array(z.string().refine(isWebSocketUrl, { error: 'must be a URL that begins with ws:// or wss://' }))
    .min(1)
    .exactOptional()
    .meta({
      description:
        'public URL that clients use, or several: what their logins must name (as in wss://sync.example.com/sync)',
    }),
  name: z
    .string()
    .min(1)
    .max(100)
    .default('onyx-sync')
    .meta({ description: 'what the NIP-11 document calls this server' }),
  compression: z
    .enum(['large', 'off'])
    .default('large')
    .meta({ description: 'which messages are compressed: those of 16 KiB and more, or none' }),
  verifier: z
    .enum(SCHNORR_CHOICES)
    .default('auto')
    .meta({ description: 'what checks and makes signatures; auto is the fastest that works here' }),
  logFormat: z
    .enum(LOG_FORMATS)
    .default('text')
    .meta({ description: 'how the command writes its log: lines for people, or JSON, one object a line' }),
  logLevel: z
    .enum(LOG_LEVELS)
    .default('info')
    .meta({ description: 'the lowest level that the command writes' }),
  trustedProxies: z
    .array(z.string().refine(isNetwork, { error: 'must be an address or a network, as in 10.0.0.0/8' }))
    .default([])
    .meta({
      description:
        'proxies whose X-Forwarded-For or Forwarded is believed: addresses or networks, as in 10.0.0.0/8',
    }),
  tls: z
    .strictObject({
      cert: z
        .string()
        .min(1)
        .meta({ description: 'PEM file of the certificate with its chain, to serve wss:' }),
      key: z.string().min(1).meta({ description: "PEM file of the certificate's key" }),
    })
    .exactOptional(),
  web: z
    .strictObject({
      directory: z
        .string()
        .min(1)
        .exactOptional()
        .meta({ description: 'directory of a built web client, to serve it under /' }),
      connect: z
        .array(
          z.string().refine(isConnectSource, { error: 'must be an origin, as in https://api.example.com' }),
        )
        .default([])
        .meta({
          description:
            'what the web client may reach besides this server, such as models: origins, https: for all with TLS',
        }),
    })
    .prefault({}),
  operators: z
    .array(
      z.string().regex(/^[0-9a-f]{64}$/, { error: 'must be a public key, 64 lower-case hex characters' }),
    )
    .default([])
    .meta({
      description:
        'public keys whose holders may manage the running server (NIP-86), and read the training data of all authors',
    }),
  kinds: z
    .strictObject({
      extra: z
        .array(z.int().min(0).max(65_535).check(isTakenPlainly))
        .max(MAX_EXTRA_KINDS)
        .default([])
        .meta({ description: "further event kinds that are taken and served, by NIP-01's plain rules" }),
    })
    .prefault({}),
  limits: limitsSchema.prefault({}),
})

/** Refuses kinds that can't be served by plain rules, each with the reason. */
function isTakenPlainly(context: z.core.ParsePayload<number>): void {
  const reason = whyNotExtraKind(context.value)
  if (reason === undefined) return
  const message = `must be a kind that is served by plain rules (${reason})`
  context.issues.push({ code: 'custom', input: context.value, message })
}

/** The configuration of a server: everything set. Shape and ranges: {@link configSchema}. */
export type ServerConfig = z.output<typeof configSchema>

/** What may be given of it. */
export type ServerConfigInput = z.input<typeof configSchema>

/** A scheme, or an origin whose port may be left open: what may stand in `connect-src`, and nothing that ends it. */
function isConnectSource(text: string): boolean {
  return /^(https:|https?:\/\/(\*\.)?[a-z\d.-]+(:(\d{1,5}|\*))?)$/i.test(text)
}

function isWebSocketUrl(text: string): boolean {
  return URL.canParse(text) && ['ws:', 'wss:'].includes(new URL(text).protocol)
}

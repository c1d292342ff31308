import type { Server as HttpServer } from 'node:http'
import {
  type Clock,
  type EventVerifier,
  type Limits,
  type Logger,
  type Random,
  SyncError,
} from '@onyx-sync/shared'
import type { SchnorrChoice } from '@onyx-sync/shared/node'
import type { Compression } from './adapters/ws-listener.js'
import { parseConfig } from './config/check.js'
import type { ServerConfig } from './config/schema.js'
import type { EventLog } from './ports/event-log.js'

/** How to run a server. Everything has a default but the place of the data. */
export interface SyncServerOptions {
  /** Directory of the LevelDB database; made if missing. Give this or `log`. */
  readonly data?: string
  /** An event log instead of the one on LevelDB. The server closes it when it closes. */
  readonly log?: EventLog
  /**
   * Public URL that clients use, or several: what the `relay` tag of their AUTH events must name. Needed behind
   * a proxy and wherever the host isn't the one clients dial.
   * @default `ws://<host>:<port>/sync`
   */
  readonly url?: string | readonly string[]
  /** Interface to listen on. Not used with `server`. @default '127.0.0.1' */
  readonly host?: string
  /** TCP port, 0 for a free one. Not used with `server`. @default 7447 */
  readonly port?: number
  /**
   * An HTTP server to attach to instead of listening: requests and upgrades of `/sync` are answered here,
   * everything else is left to its own listeners. It is neither started nor closed.
   */
  readonly server?: HttpServer
  /**
   * Which messages are compressed for clients that offer it (RFC 7692). `'large'`: those of 16 KiB and more,
   * which are mostly merged states; it saves them a quarter. @default 'large'
   */
  readonly compression?: Compression
  /**
   * Addresses and networks of proxies whose `X-Forwarded-For` or `Forwarded` is believed, as in `10.0.0.0/8`.
   * @default none
   */
  readonly trustedProxies?: readonly string[]
  /**
   * Serves `wss:` with this certificate and key, both paths of PEM files. Read again on {@link SyncServer.reloadTls}.
   * Not used with `server`. @default none: plain `ws:`
   */
  readonly tls?: { readonly cert: string; readonly key: string }
  /**
   * Serves a built web client under `/`: its directory, read once, and what its pages may reach besides this server.
   * Not used with `server`. @default none
   */
  readonly web?: { readonly directory?: string; readonly connect?: readonly string[] }
  /** What the NIP-11 document calls this server. @default 'onyx-sync' */
  readonly name?: string
  /**
   * Public keys, 64 lower-case hex characters, whose holders may manage the running server (NIP-86), and
   * read the training data of all authors.
   * @default none
   */
  readonly operators?: readonly string[]
  /**
   * Further event kinds to take and serve by NIP-01's plain rules, at most 100. Gift wraps and direct messages reach
   * their receivers only; all others are read by everybody who may log in. @default none
   */
  readonly kinds?: { readonly extra?: readonly number[] }
  /** Bounds to change; see {@link Limits}. @default DEFAULT_LIMITS */
  readonly limits?: Partial<Limits>
  /** @default the platform's */
  readonly clock?: Clock
  /** Source of challenges; must be unpredictable. @default the platform's */
  readonly random?: Random
  /** @default keeps quiet */
  readonly logger?: Logger
  /**
   * What checks ids and signatures: the system's libsecp256k1 (`'native'`), WebAssembly (`'wasm'`), JavaScript
   * (`'pure'`), the fastest of them that works (`'auto'`), or one of your own. One that is missing or broken is
   * passed over for the next, with a warning. What the server signs with is chosen likewise. @default 'auto'
   */
  readonly verifier?: SchnorrChoice | EventVerifier
}

/** Options that are no plain data. */
const PARTS: ReadonlySet<string> = new Set(['log', 'server', 'clock', 'random', 'logger'])

/** Checks what is plain data by the schema of the configuration file, so that both know the same options. */
export function checkOptions(options: SyncServerOptions): ServerConfig {
  if ((options.data === undefined) === (options.log === undefined)) {
    throw new SyncError('CONFIG_INVALID', 'give either a data directory or a log')
  }
  const { url, verifier } = options
  const given = Object.entries({
    ...options,
    url: url === undefined ? undefined : [url].flat(),
    // An implementation is no plain data; the name of one is.
    verifier: typeof verifier === 'string' ? verifier : undefined,
  })
  const plain = given.filter(([name, value]) => value !== undefined && !PARTS.has(name))
  return parseConfig(Object.fromEntries(plain))
}

import { existsSync } from 'node:fs'
import type { Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { availableParallelism } from 'node:os'
import {
  type Clock,
  type EventVerifier,
  type Limits,
  type Logger,
  type Random,
  SyncError,
  silentLogger,
  systemClock,
  systemRandom,
} from '@onyx-sync/shared'
import { attachToHttpServer } from './adapters/attach.js'
import { createClientAddresses, toLimited } from './adapters/client-address.js'
import { createHttpHandler, SYNC_PATH } from './adapters/http.js'
import { createOwnServer, reloadTls } from './adapters/http-server.js'
import { createInfoDocument } from './adapters/info-document.js'
import { normalizeIp } from './adapters/ip-address.js'
import { createManagementHandler } from './adapters/management-http.js'
import { createMemoryModeration } from './adapters/memory-moderation.js'
import { createSealedPlaces } from './adapters/sealed-places.js'
import { createServerSigner, type ServerSigner } from './adapters/server-signer.js'
import { chooseVerifier, type VerifierChoice } from './adapters/verifiers/choose-verifier.js'
import type { ChosenVerifier } from './adapters/verifiers/event-verifier.js'
import { createVerifierPool } from './adapters/verifiers/verifier-pool.js'
import { readWebFiles, type WebFiles } from './adapters/web-files.js'
import { createWebHandler } from './adapters/web-http.js'
import { createWorkerMerger } from './adapters/worker-merger.js'
import { type Compression, createWebSocketListener } from './adapters/ws-listener.js'
import { parseConfig } from './config/check.js'
import type { ServerConfig } from './config/schema.js'
import { createHttpAuth } from './core/http-auth.js'
import { createLocalMerger } from './core/local-merger.js'
import { createManagement } from './core/management.js'
import { createModeration, type Moderation } from './core/moderation.js'
import { createRelay } from './core/relay.js'
import { openDataDirectory } from './data-directory.js'
import { createServerMetrics } from './metrics.js'
import type { EventLog } from './ports/event-log.js'
import type { Merger } from './ports/merger.js'
import type { ModerationStore } from './ports/moderation-store.js'
import type { SpreadVerifier } from './ports/spread-verifier.js'
import { VERSION } from './version.js'

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
   * passed over for the next, with a warning. @default 'auto'
   */
  readonly verifier?: VerifierChoice | EventVerifier
}

/** A running or not yet running server. */
export interface SyncServer {
  /**
   * Opens the data and begins to serve. Throws `CONFIG_INVALID` (address unusable), `DATA_LOCKED`,
   * `DATA_FORMAT` or `STORE_FAILED`; nothing is left open then. At most once per server.
   */
  listen(): Promise<void>
  /** Its first public URL. Throws `CONFIG_INVALID` before `listen` where it depends on the port. */
  readonly url: string
  /** Where it listens; undefined when it doesn't. */
  readonly address: { readonly host: string; readonly port: number } | undefined
  /**
   * Reads certificate and key again, for connections from now on. Throws `CONFIG_INVALID` where they can't be used;
   * those of before stay then. Does nothing without `tls`.
   */
  reloadTls(): void
  /**
   * Takes no new work, stores and answers what was queued, closes connections with 1012 ("come back later")
   * and releases the data. Idempotent.
   */
  close(): Promise<void>
}

const DESCRIPTION = 'Keeps and merges Yjs documents that travel as signed Nostr events.'
/** The built one, also where this module is loaded from its source. */
const MERGE_WORKER = new URL('../dist/merge-worker.js', import.meta.url)
const VERIFY_WORKER = new URL('../dist/verify-worker.js', import.meta.url)
/** More would hardly find work: one thread parses, stores and answers for all of them. */
const MAX_VERIFY_THREADS = 4
/** Options that are no plain data. */
const PARTS: ReadonlySet<string> = new Set(['log', 'server', 'clock', 'random', 'logger'])
const ANY_ADDRESS = new Set(['0.0.0.0', '::', ''])

/** A sync server on LevelDB and WebSockets: puts the parts together. */
export function createSyncServer(options: SyncServerOptions): SyncServer {
  const config = checkOptions(options)
  const { host, port } = config
  const httpServer = options.server ?? createOwnServer(config.tls, config.limits.maxHandshakeSeconds)
  const logger = options.logger ?? silentLogger
  const publicUrls = config.url ?? []
  let parts: Parts | undefined
  /** As the address was when it was last asked for: a server that has closed keeps its name. */
  let derivedUrls: readonly string[] | undefined
  let starting: Promise<void> | undefined
  let closing: Promise<void> | undefined

  function listeningAddress(): { host: string; port: number } | undefined {
    const address = httpServer.address() as AddressInfo | string | null
    return address === null || typeof address === 'string'
      ? undefined
      : { host: options.server === undefined ? host : address.address, port: address.port }
  }

  function relayUrls(): readonly string[] {
    if (publicUrls.length > 0) return publicUrls
    const address = listeningAddress()
    if (address !== undefined) {
      const name = ANY_ADDRESS.has(address.host) ? 'localhost' : address.host
      derivedUrls = [
        `${config.tls === undefined ? 'ws' : 'wss'}://${name.includes(':') ? `[${name}]` : name}:${address.port}${SYNC_PATH}`,
      ]
    }
    if (derivedUrls === undefined) {
      throw new SyncError('CONFIG_INVALID', 'the URL is known once the server listens')
    }
    return derivedUrls
  }

  async function start(): Promise<void> {
    const { log, store } =
      options.log === undefined
        ? await openDataDirectory(config.data, logger)
        : { log: options.log, store: createMemoryModeration() }
    try {
      const { verifier = 'auto' } = options
      const chosen =
        typeof verifier === 'string' ? spread(await chooseVerifier(verifier, logger), logger) : verifier
      const moderation = await createModeration(store, config.operators)
      const { directory } = config.web
      const web = directory === undefined ? undefined : await readWebFiles(directory)
      const signer = await createServerSigner(log.serverSecretKey, logger)
      const given = { log, store, moderation, signer, web }
      parts = assemble(options, config, chosen, given, httpServer, relayUrls)
      if (options.server === undefined) await listenOn(httpServer, host, port, logger)
      if (httpServer.listening) relayUrls()
    } catch (error) {
      await parts?.close()
      parts = undefined
      await log.close()
      await store.close()
      throw error
    }
  }

  async function stop(): Promise<void> {
    await starting?.catch(() => {})
    if (parts === undefined) return
    const closed = options.server === undefined ? closeHttpServer(httpServer) : Promise.resolve()
    await parts.close()
    if (options.server === undefined) httpServer.closeAllConnections()
    await closed
    // Commands may be reading both: they end with the log.
    await parts.log.close()
    await parts.store.close()
  }

  return {
    listen() {
      if (starting !== undefined || closing !== undefined) {
        return Promise.reject(new SyncError('CONFIG_INVALID', 'a server listens once; make another one'))
      }
      starting = start()
      return starting
    },
    get url() {
      return relayUrls()[0] as string
    },
    get address() {
      return listeningAddress()
    },
    reloadTls() {
      if (config.tls !== undefined && options.server === undefined) reloadTls(httpServer, config.tls)
    },
    close() {
      closing ??= stop()
      return closing
    },
  }
}

/** Checks what is plain data by the schema of the configuration file, so that both know the same options. */
function checkOptions(options: SyncServerOptions): ServerConfig {
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

interface Stored {
  readonly log: EventLog
  readonly store: ModerationStore
}

interface Parts extends Stored {
  /** Finishes what is queued, then closes the connections. The log stays open. */
  close(): Promise<void>
}

/** What is made before the rest, because it takes time. */
interface Given extends Stored {
  readonly moderation: Moderation
  readonly signer: ServerSigner
  readonly web: WebFiles | undefined
}

function assemble(
  options: SyncServerOptions,
  config: ServerConfig,
  verifier: ServerVerifier,
  { log, store, moderation, signer, web }: Given,
  httpServer: HttpServer,
  relayUrls: () => readonly string[],
): Parts {
  const logger = options.logger ?? silentLogger
  const clock = options.clock ?? systemClock
  const random = options.random ?? systemRandom
  const { limits } = config
  const places = createSealedPlaces(log.serverSecretKey)
  const { extra: extraKinds } = config.kinds
  const merger = chooseMerger(limits, logger, () => metrics.mergerLost())
  const relay = createRelay({
    ...{ merger, log, verifier, limits, clock, random, logger, relayUrls, moderation, places, extraKinds },
    sign: signer.sign,
    defer: setImmediate,
  })
  const metrics = createServerMetrics(relay, log, verifier)
  let isClosing = false
  const addresses = createClientAddresses(config.trustedProxies)
  let isProxyReported = false
  const listener = createWebSocketListener({
    limits,
    clock,
    logger,
    compression: config.compression,
    admit: relay.admit,
    isBlocked: moderation.isBlocked,
    accept: relay.connect,
    onSlowReader: metrics.slowReader,
  })
  moderation.onChange(listener.enforce)
  const info = () =>
    createInfoDocument({
      version: VERSION,
      publicKey: signer.pubkey,
      limits,
      name: moderation.setting('name') ?? config.name,
      description: moderation.setting('description') ?? DESCRIPTION,
      isManaged: config.operators.length > 0,
      extraKinds: config.kinds.extra,
    })
  const startedAtMs = clock.now()
  const manage = createManagementHandler({
    authorize: createHttpAuth({
      ...{ verifier, clock, limits, isAllowed: moderation.isOperator },
      urls: relayUrls,
    }),
    call: createManagement({
      ...{ moderation, logger, limits, normalizeIp: networkOf },
      stats: async () => ({
        uptime_seconds: Math.floor((clock.now() - startedAtMs) / 1000),
        ...(await metrics.stats()),
      }),
    }),
  })
  const detach = attachToHttpServer(httpServer, {
    path: SYNC_PATH,
    isShared: options.server !== undefined,
    handleRequest: createHttpHandler({
      info,
      manage: config.operators.length > 0 ? manage : undefined,
      metrics: metrics.collect,
      isReady: () => !isClosing,
      publicUrl: () => relayUrls()[0] as string,
      web: web && createWebHandler(web, config.web.connect),
    }),
    handleUpgrade(request, socket, head) {
      const { address, isBehindProxy } = addresses.of(request)
      if (isBehindProxy && !isProxyReported) {
        isProxyReported = true
        logger.warn('a proxy forwards connections; name it in trustedProxies, or all count as one address', {
          address,
        })
      }
      listener.handleUpgrade(request, socket, head, address)
    },
  })
  return {
    log,
    store,
    async close() {
      isClosing = true
      await relay.stop()
      await merger.close()
      await verifier.close?.()
      await listener.close()
      metrics.close()
      detach()
    },
  }
}

/** A thread of its own; without its module, such as in a bundle, what merges shares this one. */
function chooseMerger({ maxMergeSeconds }: Limits, logger: Logger, onLost: () => void): Merger {
  if (existsSync(MERGE_WORKER)) {
    return createWorkerMerger({ script: MERGE_WORKER, logger, maxSeconds: maxMergeSeconds, onLost })
  }
  logger.warn('documents are merged in the main thread, because the module of the other one is missing', {
    path: MERGE_WORKER.pathname,
  })
  return createLocalMerger()
}

/** What checks events, with threads that help where a check takes long and there are processors for them. */
type ServerVerifier = EventVerifier & Partial<SpreadVerifier> & { close?(): Promise<void> }

function spread(chosen: ChosenVerifier, logger: Logger): ServerVerifier {
  const { schnorr } = chosen
  const threads = Math.min(availableParallelism() - 1, MAX_VERIFY_THREADS)
  // The system's library takes as long for a check as the rest of the work takes to hand it over and store the event.
  if (schnorr.kind === 'native' || threads < 1 || !existsSync(VERIFY_WORKER)) return chosen
  return createVerifierPool({ schnorr, script: VERIFY_WORKER, threads, logger })
}

function listenOn(server: HttpServer, host: string, port: number, logger: Logger): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException): void => {
      const reason =
        cause.code === 'EADDRINUSE'
          ? 'is in use by another program: stop it, or choose another port'
          : `can't be used: ${cause.message}`
      reject(new SyncError('CONFIG_INVALID', `port ${port} on ${host} ${reason}`, { cause }))
    }
    server.once('error', fail)
    server.listen(port, host, () => {
      server.off('error', fail)
      // Such as too many open files when a connection is taken: that connection is lost, the server goes on.
      server.on('error', (error) => logger.error('the HTTP server reports', { error: String(error) }))
      resolve()
    })
  })
}

function closeHttpServer(server: HttpServer): Promise<void> {
  // "Not running" is what was wanted.
  return new Promise((resolve) => server.close(() => resolve()))
}

/** An address as connections are counted by it: of IPv6 its network of 64 bits. */
function networkOf(text: string): string | undefined {
  const ip = normalizeIp(text)
  return ip === undefined ? undefined : toLimited(ip)
}

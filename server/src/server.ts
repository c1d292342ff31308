import type { Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SyncError, silentLogger, systemClock, systemRandom } from '@onyx-sync/shared'
import { chooseVerifier, createEventSigner, type EventSigner } from '@onyx-sync/shared/node'
import { attachToHttpServer } from './adapters/attach.js'
import { createClientAddresses, toLimited } from './adapters/client-address.js'
import { createHttpHandler, SYNC_PATH } from './adapters/http.js'
import { closeHttpServer, createOwnServer, listenOn, reloadTls } from './adapters/http-server.js'
import { createInfoDocument } from './adapters/info-document.js'
import { normalizeIp } from './adapters/ip-address.js'
import { createManagementHandler } from './adapters/management-http.js'
import { createMemoryModeration } from './adapters/memory-moderation.js'
import { createSealedPlaces } from './adapters/sealed-places.js'
import { readWebFiles, type WebFiles } from './adapters/web-files.js'
import { createWebHandler } from './adapters/web-http.js'
import { createWebSocketListener } from './adapters/ws-listener.js'
import type { ServerConfig } from './config/schema.js'
import { createHttpAuth } from './core/http-auth.js'
import { createManagement } from './core/management.js'
import { createModeration, type Moderation } from './core/moderation.js'
import { createRelay } from './core/relay.js'
import { openDataDirectory } from './data-directory.js'
import { createServerMetrics } from './metrics.js'
import type { EventLog } from './ports/event-log.js'
import type { ModerationStore } from './ports/moderation-store.js'
import { checkOptions, type SyncServerOptions } from './server-options.js'
import { chooseMerger, type ServerVerifier, spreadVerifier } from './threads.js'
import { VERSION } from './version.js'

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
        typeof verifier === 'string'
          ? spreadVerifier(await chooseVerifier(verifier, logger), logger)
          : verifier
      const moderation = await createModeration(store, config.operators)
      const { directory } = config.web
      const web = directory === undefined ? undefined : await readWebFiles(directory)
      const signer = await createEventSigner(log.serverSecretKey, {
        choice: typeof verifier === 'string' ? verifier : 'auto',
        logger,
      })
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
  readonly signer: EventSigner
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

/** An address as connections are counted by it: of IPv6 its network of 64 bits. */
function networkOf(text: string): string | undefined {
  const ip = normalizeIp(text)
  return ip === undefined ? undefined : toLimited(ip)
}

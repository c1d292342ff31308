import type { Server as HttpServer, IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { requestPath } from './http.js'
import { refuseUpgrade } from './ws-listener.js'

/** What is hung into an HTTP server. */
export interface Attachment {
  /** The path whose requests and upgrades are ours. */
  readonly path: string
  /** Whether the server is somebody else's, who answers all other paths. */
  readonly isShared: boolean
  handleRequest(request: IncomingMessage, response: ServerResponse): void
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
}

/**
 * Begins to answer requests and upgrades of an HTTP server. Of a shared one only those of our path: its own
 * request listeners are put behind ours and get all the others, its upgrade listeners stay as they are.
 * Returns a function that puts everything back.
 */
export function attachToHttpServer(server: HttpServer, attachment: Attachment): () => void {
  const { path, isShared, handleRequest, handleUpgrade } = attachment
  const previous = isShared ? (server.listeners('request') as RequestListener[]) : []

  function onRequest(request: IncomingMessage, response: ServerResponse): void {
    if (!isShared || requestPath(request) === path) {
      handleRequest(request, response)
      return
    }
    for (const listener of previous) {
      listener.call(server, request, response as Parameters<RequestListener>[1])
    }
  }

  function onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (requestPath(request) === path) {
      handleUpgrade(request, socket, head)
    } else if (!isShared || server.listenerCount('upgrade') === 1) {
      // Nobody else would ever answer it.
      refuseUpgrade(socket, '404 Not Found', `WebSockets are accepted on ${path} only`)
    }
  }

  for (const listener of previous) server.off('request', listener)
  server.on('request', onRequest)
  server.on('upgrade', onUpgrade)
  return () => {
    server.off('request', onRequest)
    server.off('upgrade', onUpgrade)
    for (const listener of previous) server.on('request', listener)
  }
}

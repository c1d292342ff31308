import { connect, createServer, type Socket } from 'node:net'

/** A TCP proxy that counts what passes, as it is on the wire. */
export interface WireMeter {
  /** The address to dial instead of the server's. */
  readonly url: string
  /** Bytes after the HTTP handshakes, both directions and all connections since the last reset. */
  readonly bytes: { readonly up: number; readonly down: number }
  reset(): void
  close(): Promise<void>
}

const END_OF_HEADERS = '\r\n\r\n'

/** Puts itself in front of a server on 127.0.0.1. Counts WebSocket connections only. */
export async function createWireMeter(serverUrl: string): Promise<WireMeter> {
  const target = new URL(serverUrl)
  const sockets = new Set<Socket>()
  let bytes = { up: 0, down: 0 }
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    let isWebSocket = false
    client.on('data', (chunk) => {
      if (isWebSocket) bytes.up += chunk.byteLength
      upstream.write(chunk)
    })
    upstream.on('data', (chunk) => {
      if (isWebSocket) bytes.down += chunk.byteLength
      else {
        const text = chunk.toString('latin1')
        const end = text.indexOf(END_OF_HEADERS)
        isWebSocket = text.startsWith('HTTP/1.1 101') && end >= 0
        if (isWebSocket) bytes.down += chunk.byteLength - end - END_OF_HEADERS.length
      }
      client.write(chunk)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  return {
    url: `ws://127.0.0.1:${port}${target.pathname}`,
    get bytes() {
      return bytes
    },
    reset() {
      bytes = { up: 0, down: 0 }
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

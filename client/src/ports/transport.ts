/** One open connection. */
export interface Connection {
  /** Queues one text message. Throws nothing; what can't be sent is lost with the connection. */
  send(text: string): void
  close(code?: number, reason?: string): void
}

/** What a connection reports. After `onClose` nothing else is called. */
export interface ConnectionHandlers {
  onOpen(): void
  onMessage(text: string): void
  /** `code` as in RFC 6455; 1006 when there was no closing handshake. */
  onClose(code: number, reason: string): void
}

/** How a device reaches a server. */
export interface Transport {
  /** Begins to connect; the outcome comes through the handlers, never before this returns. */
  dial(url: string, handlers: ConnectionHandlers): Connection
  /**
   * The server's NIP-11 document, parsed JSON; undefined where the server answers and has none. Rejects with
   * `CONNECTION_FAILED` when that can't be found out. Once the
   * signal is aborted nobody waits for it any more: it should let go of sockets and timers.
   */
  fetchInfo(url: string, signal?: AbortSignal): Promise<unknown>
}

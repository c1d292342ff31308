/** The other end of one connection, as a session sees it. */
export interface Peer {
  /**
   * Queues one text message, as text or as its UTF-8, which must not be changed afterwards. Never throws; after a
   * close it does nothing.
   */
  send(message: string | Uint8Array): void
  /**
   * Bytes queued in the socket and not yet taken by the network; at least what was sent since the event loop last went
   * round: a fast network takes any amount at once, and everybody else would wait.
   */
  queuedBytes(): number
  /** Resolves once little is queued, or the connection has closed. */
  drained(): Promise<void>
  /**
   * Where it comes from, as the limits per address count it: an IPv4 address, or the network of 64 bits of an IPv6
   * one. Undefined where that means nothing.
   */
  readonly address?: string | undefined
  /** Takes no more messages from it until `resume`; what it sends meanwhile waits. */
  pause(): void
  resume(): void
  /** Closes the connection. Codes 4400–4499 tell a client to stop trying, all others to come back. */
  close(code: number, reason: string): void
}

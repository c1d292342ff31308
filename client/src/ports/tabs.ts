/** What a tab posts with. */
export interface TabChannel {
  /** Hands a message that can be cloned to all other tabs. Messages of one tab arrive in order, each once. */
  post(message: unknown): void
  /** Nothing is posted or heard any more. */
  close(): void
}

/** What tabs of one database find each other by. */
export interface TabPorts {
  /** Joins the tabs; `onMessage` hears what others post from now on, and never what this one does. */
  join(onMessage: (message: unknown) => void): TabChannel
  /**
   * Waits until this tab alone has the lock of that name. It lasts until it is let go of, or the tab is gone, however it
   * went. Waiting tabs get it in order. Rejects when `signal` aborts first. @returns a function that lets go
   */
  lock(name: string, signal?: AbortSignal): Promise<() => void>
  /** Names of all locks that tabs have now. */
  held(): Promise<readonly string[]>
}

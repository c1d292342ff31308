import { WebSocket } from 'ws'

// For libraries that expect the WebSocket of a browser: Node 20 has none of its own.
globalThis.WebSocket ??= WebSocket as unknown as typeof globalThis.WebSocket

/*
 * Keeps one whole build of the web client, so that it opens without a network, and never mixes two: what is kept is named
 * by its version, and another one is used only once the page says so. Chats are not here; they are in the database.
 */
const VERSION = '__VERSION__'
const FILES = [
  /* __FILES__ */
]
const CACHE = `onyx-sync-web-${VERSION}`

self.addEventListener('install', (event) => {
  // All of it or nothing, and from the server, not from the browser's own cache.
  const requests = FILES.map((path) => new Request(path, { cache: 'reload' }))
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(requests)))
})

self.addEventListener('activate', (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys()) {
        if (name.startsWith('onyx-sync-web-') && name !== CACHE) await caches.delete(name)
      }
      await self.clients.claim()
    })(),
  )
})

self.addEventListener('message', (event) => {
  if (event.data === 'use-this-version') self.skipWaiting()
})

self.addEventListener('fetch', (event) => {
  const { request } = event
  const url = new URL(request.url)
  if (request.method !== 'GET' || url.origin !== self.location.origin) return
  // What describes the server, and what tells of its health, is asked of the server.
  if (request.headers.get('accept')?.includes('application/nostr+json')) return
  if (!FILES.includes(url.pathname)) return
  event.respondWith(
    (async () => {
      const cache = await caches.open(CACHE)
      return (await cache.match(url.pathname)) ?? fetch(request)
    })(),
  )
})

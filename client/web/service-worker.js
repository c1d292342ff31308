/*
 * Keeps one whole build of the web client, so that it opens without a network, and never mixes two: what is kept is named
 * by its version, and another one is used only once the page says so. Chats are not here; they are in the database.
 */
const VERSION = '__VERSION__'
const FILES = '__FILES__'
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
  const found = caches
    .open(CACHE)
    // Kept under their paths alone: other headers of a request make no other file of it.
    .then((cache) => cache.match(url.pathname, { ignoreVary: true }))
  event.respondWith(found.then((kept) => kept ?? fetch(request)))
  if (request.mode === 'navigate') event.waitUntil(found.then((kept) => refresh(url.pathname, kept)))
})

/**
 * What a page may reach stands in its headers, and a server may have been told of another model since: the same page is
 * kept with the headers that it has now, and used with them the next time. Another one comes with another version only.
 */
async function refresh(path, kept) {
  const now = await fetch(path, { cache: 'no-store' }).catch(() => undefined)
  if (now?.ok !== true || kept === undefined || now.headers.get('etag') !== kept.headers.get('etag')) return
  const cache = await caches.open(CACHE)
  await cache.put(path, now)
}

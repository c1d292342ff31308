import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { SyncError } from '@onyx-sync/shared'

/** How a body may be encoded, the smaller one first; a build keeps it beside the file, under its name and this ending. */
const ENCODINGS = [
  { name: 'br', ending: '.br' },
  { name: 'gzip', ending: '.gz' },
] as const

/** Content encodings that files may come in. */
export type WebEncoding = (typeof ENCODINGS)[number]['name']

/** A file as it is served. */
export interface WebFile {
  readonly type: string
  readonly body: Buffer
  readonly encoded: ReadonlyMap<WebEncoding, Buffer>
  /** Of the content, without quotes. */
  readonly tag: string
  /** Whether another content would have another name, so that it may be kept for good. */
  readonly isImmutable: boolean
}

/** What is served, by the path of a request. */
export type WebFiles = ReadonlyMap<string, WebFile>

/** A web client of ours takes some hundred files and few MiB: more than this is a directory that was not meant. */
const MAX_FILES = 2_000
const MAX_BYTES = 64 * 1024 * 1024

const TYPES: ReadonlyMap<string, string> = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.json', 'application/json; charset=utf-8'],
  ['.webmanifest', 'application/manifest+json; charset=utf-8'],
  ['.svg', 'image/svg+xml; charset=utf-8'],
  ['.png', 'image/png'],
  ['.ico', 'image/x-icon'],
  ['.woff2', 'font/woff2'],
  ['.wasm', 'application/wasm'],
  ['.txt', 'text/plain; charset=utf-8'],
])

/** Vite puts the hash of a file's content into its name, in this folder. */
const HASHED = /^\/assets\/.+-[\w-]{8,}\.\w+$/

/**
 * Reads the files of a built web client, all of them and once: what is served is one build, also while the next one is
 * being written, and no path of a request ever reaches the disk. Links and names that begin with a dot are left out.
 * `/two.html` is there as `/two` as well, `/index.html` as `/`. Rejects with `CONFIG_INVALID` for a directory that can't
 * be read, has no `index.html`, or holds more than 64 MiB or 2,000 files. Source: SPEC WEB1, WEB2.
 */
export async function readWebFiles(directory: string): Promise<WebFiles> {
  const bodies = new Map<string, Buffer>()
  let bytes = 0

  async function read(folder: string, path: string): Promise<void> {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const [place, name] = [join(folder, entry.name), `${path}/${entry.name}`]
      if (entry.name.startsWith('.')) continue
      if (entry.isDirectory()) await read(place, name)
      if (!entry.isFile()) continue
      const body = await readFile(place)
      bytes += body.byteLength
      bodies.set(name, body)
      if (bytes > MAX_BYTES || bodies.size > MAX_FILES)
        throw refusal(directory, `holds more than ${MAX_BYTES} bytes or ${MAX_FILES} files`)
    }
  }

  try {
    await read(directory, '')
  } catch (cause) {
    if (cause instanceof SyncError) throw cause
    throw refusal(directory, `can't be read: ${(cause as Error).message}`, cause)
  }
  if (!bodies.has('/index.html')) throw refusal(directory, 'has no index.html')
  return toFiles(bodies)
}

function refusal(directory: string, why: string, cause?: unknown): SyncError {
  const message = `web.directory (${directory}) ${why}; it must be a built web client, as "npm run build:web" makes it`
  return new SyncError('CONFIG_INVALID', message, { cause })
}

function toFiles(bodies: ReadonlyMap<string, Buffer>): WebFiles {
  const files = new Map<string, WebFile>()
  for (const [path, body] of bodies) {
    const isEncoded = ENCODINGS.some(
      ({ ending }) => path.endsWith(ending) && bodies.has(path.slice(0, -ending.length)),
    )
    if (isEncoded) continue
    const encoded = new Map<WebEncoding, Buffer>()
    for (const { name, ending } of ENCODINGS) {
      const smaller = bodies.get(path + ending)
      if (smaller !== undefined && smaller.byteLength < body.byteLength) encoded.set(name, smaller)
    }
    const file = {
      type: TYPES.get(extname(path)) ?? 'application/octet-stream',
      body,
      encoded,
      tag: createHash('sha256').update(body).digest('base64url').slice(0, 22),
      isImmutable: HASHED.test(path),
    }
    files.set(path, file)
    if (path === '/index.html') files.set('/', file)
    else if (path.endsWith('.html')) files.set(path.slice(0, -'.html'.length), file)
  }
  return files
}

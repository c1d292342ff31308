import { fileURLToPath } from 'node:url'
import { defaultClientConditions, defineConfig } from 'vite'
import { compressedFiles, secp256k1Wasm, serviceWorker } from './build-plugins.js'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** What several pages, or dialogs, have in common, and no page needs at first. */
const LATER =
  /\/src\/(inspect\/|parts\/(key-name|dialog))|\/(roll-back|rebase-edits|core\/(rebuild|plain|plain-(draft|inbox|publisher|reader))|import-chats|model\/history)\.js/

export default defineConfig({
  root: here('.'),
  resolve: {
    // RxJS without what makes it run in browsers of 2009.
    conditions: ['es2015', ...defaultClientConditions],
    // WatermelonDB takes what it needs of RxJS through this one module, and all of RxJS comes with it as CommonJS.
    alias: [
      { find: /^\.\.?\/__wmelonRxShim$/, replacement: here('src/device/rxjs-parts.ts') },
      { find: /^tslib$/, replacement: here('src/device/async-helpers.ts') },
      { find: /^lib0\/logging$/, replacement: here('src/device/yjs-logging.ts') },
    ],
  },
  build: {
    outDir: here('dist'),
    emptyOutDir: true,
    target: 'es2022',
    reportCompressedSize: false,
    // No page of ours needs it, and it would be one more script.
    modulePreload: { polyfill: false },
    // A file that is inlined as `data:` is no file of this server.
    assetsInlineLimit: 0,
    // A test bounds what the first page takes.
    chunkSizeWarningLimit: 1_000,
    rolldownOptions: {
      input: [here('index.html'), here('two.html'), here('inspect.html')],
      output: {
        codeSplitting: {
          // What most pages have in common is one file: in many small ones it compresses worse, and each takes a request.
          groups: [
            // Several dialogs have it in common, and no page shows keys at first.
            { name: 'key-text', test: /nip19|nostr-tools\/node_modules\/@scure|key-text/, priority: 1 },
            { name: 'common', minShareCount: 3, test: (id: string) => !LATER.test(id) },
          ],
          includeDependenciesRecursively: false,
        },
      },
    },
  },
  plugins: [secp256k1Wasm(), serviceWorker(here('service-worker.js')), compressedFiles()],
})

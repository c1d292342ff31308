import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  resolve: {
    // Tests read the sources, so that a failure points at the line that is at fault; only the tests that
    // start real processes use the build.
    alias: [
      { find: /^@onyx-sync\/shared$/, replacement: source('./shared/src/index.ts') },
      { find: /^@onyx-sync\/server$/, replacement: source('./server/src/index.ts') },
      { find: /^@onyx-sync\/client$/, replacement: source('./client/src/index.ts') },
      { find: /^@onyx-sync\/testing$/, replacement: source('./testing/src/index.ts') },
      { find: /^@onyx-sync\/client\/node$/, replacement: source('./client/src/node.ts') },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: 'forks',
    coverage: {
      provider: 'v8',
      // The parts without I/O: what isn't covered here is explained in docs/ARCHITECTURE.md, or gone.
      include: ['shared/src/**', 'client/src/core/**', 'server/src/core/**'],
      reporter: ['text', 'html'],
    },
  },
})

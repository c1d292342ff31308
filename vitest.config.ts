import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

const CHANGES_THE_PLATFORM = ['test/spec/platform-check.test.ts']

export default defineConfig({
  resolve: {
    // Tests read the sources, so that a failure points at the line that is at fault; only the tests that
    // start real processes use the build.
    alias: [
      { find: /^@onyx-sync\/shared$/, replacement: source('./shared/src/index.ts') },
      { find: /^@onyx-sync\/shared\/node$/, replacement: source('./shared/src/node/index.ts') },
      { find: /^@onyx-sync\/server$/, replacement: source('./server/src/index.ts') },
      { find: /^@onyx-sync\/client$/, replacement: source('./client/src/index.ts') },
      { find: /^@onyx-sync\/testing$/, replacement: source('./testing/src/index.ts') },
      { find: /^@onyx-sync\/client\/node$/, replacement: source('./client/src/node.ts') },
      { find: /^@onyx-sync\/client\/react$/, replacement: source('./client/src/react/index.ts') },
    ],
  },
  test: {
    setupFiles: [source('./test/support/clean-up.ts')],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    pool: 'forks',
    // Two on two cores, where one is the default: the tests of real processes mostly wait for those.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      // Files share their modules, which takes a second or two off each; but not with one that changes the platform
      // before it imports them.
      {
        extends: true,
        test: {
          name: 'node',
          // Not by `exclude`, which would take the place of what the command line excludes.
          include: ['test/**/*.test.ts', ...CHANGES_THE_PLATFORM.map((path) => `!${path}`)],
          isolate: false,
        },
      },
      { extends: true, test: { name: 'node-apart', include: CHANGES_THE_PLATFORM } },
      // What holds for a device holds in each of its tabs: the same tests in one that hasn't the database.
      {
        extends: true,
        test: {
          name: 'tabs',
          include: ['test/spec/client-{history,import,model,status,tables}.test.ts'],
          setupFiles: ['test/support/in-a-tab.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'react-in-tabs',
          include: ['test/react/*.test.tsx'],
          environment: source('./test/support/jsdom.ts'),
          setupFiles: ['test/support/in-a-tab.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'react-19',
          include: ['test/react/*.test.tsx'],
          environment: source('./test/support/jsdom.ts'),
        },
      },
      {
        // The same tests with the oldest React that the hooks support.
        extends: true,
        resolve: {
          alias: [
            { find: /^react(\/.*)?$/, replacement: source('./test/react-18/node_modules/react$1') },
            { find: /^react-dom(\/.*)?$/, replacement: source('./test/react-18/node_modules/react-dom$1') },
          ],
        },
        test: {
          name: 'react-18',
          include: ['test/react/*.test.tsx'],
          environment: source('./test/support/jsdom.ts'),
          setupFiles: ['test/support/react-18.ts'],
        },
      },
    ],
    coverage: {
      provider: 'v8',
      // The parts without I/O: what isn't covered here is explained in docs/ARCHITECTURE.md, or gone.
      include: ['shared/src/**', 'client/src/core/**', 'server/src/core/**'],
      reporter: ['text', 'html'],
    },
  },
})

/** Bundles with the Metro of the React Native that is installed in the directory of the first argument. */

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

export const here = fileURLToPath(new URL('.', import.meta.url))
export const root = resolve(here, '../..')
if (process.argv[2] === undefined) {
  console.error('usage: node SCRIPT DIRECTORY, where DIRECTORY has React Native installed')
  process.exit(2)
}
export const project = resolve(process.argv[2])
const fromProject = createRequire(join(project, 'package.json'))
const Metro = fromProject('metro')
const { getDefaultConfig, mergeConfig } = fromProject('@react-native/metro-config')
const { withOnyxSync } = createRequire(import.meta.url)('@onyx-sync/client/metro')

/** `replaced` has files by the names of modules that they take the place of. */
export async function bundle({ entry, platform, out, replaced = {} }) {
  const config = withOnyxSync(
    mergeConfig(getDefaultConfig(project), {
      projectRoot: project,
      watchFolders: ['client', 'shared', 'server', 'testing', 'node_modules', 'test'].map((name) =>
        join(root, name),
      ),
      maxWorkers: 2,
      resolver: {
        nodeModulesPaths: [join(project, 'node_modules'), join(root, 'node_modules')],
        resolveRequest(context, name, target) {
          const file = replaced[name]
          if (file !== undefined && file !== context.originModulePath)
            return { type: 'sourceFile', filePath: file }
          // Our sources name each other as what they are built to.
          const isOurs = !context.originModulePath.includes('/node_modules/')
          if (isOurs && name.startsWith('.') && name.endsWith('.js')) {
            for (const ext of ['.ts', '.tsx']) {
              const source = join(dirname(context.originModulePath), name.slice(0, -3) + ext)
              if (existsSync(source)) return { type: 'sourceFile', filePath: source }
            }
          }
          return context.resolveRequest(context, name, target)
        },
      },
      reporter: { update() {} },
    }),
  )
  await Metro.runBuild(config, { entry, platform, dev: false, minify: false, out })
}

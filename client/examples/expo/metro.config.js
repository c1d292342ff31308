const { join } = require('node:path')
const { getDefaultConfig } = require('expo/metro-config')
const { withOnyxSync } = require('@onyx-sync/client/metro')

const config = getDefaultConfig(__dirname)
// Only because this example lies inside the repository of the packages: an app of its own has no need of these lines.
const root = join(__dirname, '../../..')
config.watchFolders = [root]
config.resolver.nodeModulesPaths = [join(__dirname, 'node_modules'), join(root, 'node_modules')]
config.resolver.extraNodeModules = { react: join(__dirname, 'node_modules/react') }

module.exports = withOnyxSync(config)

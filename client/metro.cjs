'use strict'

const { join } = require('node:path')

/**
 * Makes Metro bundle the client: packages are resolved by their `exports`, and the one module that yjs names for
 * React Native and nobody installs, `isomorphic-webcrypto`, is the platform's own `crypto`.
 *
 * @param config what `getDefaultConfig` of `expo/metro-config` or `@react-native/metro-config` gives; not changed
 * @returns the configuration to export from metro.config.js
 */
function withOnyxSync(config) {
  const resolver = config.resolver ?? {}
  const resolveAsBefore = resolver.resolveRequest
  return {
    ...config,
    resolver: {
      ...resolver,
      unstable_enablePackageExports: true,
      resolveRequest(context, name, platform) {
        if (/^isomorphic-webcrypto(\/|$)/.test(name))
          return { type: 'sourceFile', filePath: join(__dirname, 'webcrypto.cjs') }
        return (resolveAsBefore ?? context.resolveRequest)(context, name, platform)
      },
    },
  }
}

module.exports = { withOnyxSync }

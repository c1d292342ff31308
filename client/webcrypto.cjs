'use strict'

// In place of isomorphic-webcrypto, which lib0 imports on React Native: the platform's `crypto`, made by
// react-native-get-random-values or expo-crypto. Getters, because those may be loaded after this.
module.exports = {
  get subtle() {
    return globalThis.crypto?.subtle
  },
  getRandomValues: (array) => globalThis.crypto.getRandomValues(array),
  ensureSecure: async () => {},
}

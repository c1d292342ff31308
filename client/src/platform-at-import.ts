// The first import of the package: what its dependencies need while they are loaded. Without this, an app on a
// platform that lacks it ends with an error of a library that its author has never heard of.

const REMEDY =
  "Set globalThis.TextEncoder and globalThis.TextDecoder to those of 'text-encoding-polyfill', in a file that the app's entry file imports first."

try {
  // As lib0 does, which yjs is built on; there are stand-ins that refuse the options.
  new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  new TextEncoder()
} catch (error) {
  throw new Error(
    `@onyx-sync/client: this platform has no whole TextEncoder and TextDecoder (${String(error)}). ${REMEDY}`,
  )
}

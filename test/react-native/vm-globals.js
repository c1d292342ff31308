// What a bare Hermes VM lacks and React Native apps have. The random source is none for secrets.
import { TextDecoder, TextEncoder } from 'text-encoding-polyfill'

globalThis.TextEncoder ??= TextEncoder
globalThis.TextDecoder ??= TextDecoder

globalThis.global ??= globalThis
globalThis.console ??= { log: print, info: print, warn: print, error: print }
globalThis.queueMicrotask ??= (callback) => void Promise.resolve().then(callback)
globalThis.performance ??= { now: () => Date.now() }
globalThis.crypto ??= {
  getRandomValues(array) {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
    for (let index = 0; index < bytes.length; index++) bytes[index] = Math.floor(Math.random() * 256)
    return array
  },
}
globalThis.AbortController ??= class {
  signal = { aborted: false, addEventListener() {}, removeEventListener() {} }
  abort() {
    this.signal.aborted = true
  }
}
globalThis.URL ??= class {
  constructor(text) {
    const [, protocol, hostname, port = '', pathname = '/'] =
      /^([a-z]+:)\/\/([^/:]+)(?::(\d+))?(\/[^?#]*)?/.exec(text) ?? []
    if (protocol === undefined) throw new TypeError('Invalid URL')
    Object.assign(this, {
      protocol,
      hostname,
      port,
      pathname,
      host: port === '' ? hostname : `${hostname}:${port}`,
    })
  }
}

// For the server's half of the simulated world only; it never runs on a phone.
for (const prototype of [Array.prototype, Uint8Array.prototype, String.prototype]) {
  prototype.at ??= function at(index) {
    return this[index < 0 ? this.length + index : index]
  }
}
Array.prototype.findLast ??= function findLast(test) {
  return [...this].reverse().find(test)
}
Symbol.asyncIterator ??= Symbol('Symbol.asyncIterator')

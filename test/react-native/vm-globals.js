// What a bare Hermes VM lacks and React Native apps have. The random source is none for secrets.
import { TextDecoder, TextEncoder } from 'text-encoding-polyfill'

globalThis.TextEncoder ??= TextEncoder
globalThis.TextDecoder ??= TextDecoder

globalThis.process ??= { env: {} }
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

// React Native's takes what isn't there.
const clearTimer = globalThis.clearTimeout
globalThis.clearTimeout = (timer) => {
  if (timer !== undefined) clearTimer(timer)
}

// This VM's timers know no delay, so one that repeats would never end; nothing that runs here waits for one.
globalThis.setInterval ??= () => 0
globalThis.clearInterval ??= () => {}

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

// For Chai, by which tests check, and for tests of what browsers tell.
globalThis.EventTarget ??= class {
  listeners = new Map()
  addEventListener(type, listener) {
    this.listeners.set(type, [...(this.listeners.get(type) ?? []), listener])
  }
  removeEventListener(type, listener) {
    this.listeners.set(
      type,
      (this.listeners.get(type) ?? []).filter((each) => each !== listener),
    )
  }
  dispatchEvent(event) {
    for (const listener of this.listeners.get(event.type) ?? []) listener.call(this, event)
    return true
  }
}
globalThis.Event ??= class {
  constructor(type) {
    this.type = type
  }
}

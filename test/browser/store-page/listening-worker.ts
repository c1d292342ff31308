/** The worker, telling whoever asks on the channel `file calls` what it has done to files since it was last asked. */
import '@onyx-sync/client/sqlite-worker'

interface Handle {
  write(...args: unknown[]): number
  flush(): void
}
const { prototype } = (globalThis as unknown as { FileSystemSyncAccessHandle: { prototype: Handle } })
  .FileSystemSyncAccessHandle
const { write, flush } = prototype
let calls: string[] = []
prototype.write = function (...args) {
  calls.push('write')
  return write.apply(this, args)
}
prototype.flush = function () {
  calls.push('flush')
  flush.call(this)
}

const channel = new BroadcastChannel('file calls')
channel.onmessage = ({ data }) => {
  if (data !== 'which?') return
  channel.postMessage(calls)
  calls = []
}

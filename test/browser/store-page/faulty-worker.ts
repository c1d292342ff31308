/** The worker on a browser that fails to open a file now and then: while SQLite takes over those that were looked at. */
import '@onyx-sync/client/sqlite-worker'

const prototype = FileSystemFileHandle.prototype as FileSystemFileHandle & {
  createSyncAccessHandle(): Promise<unknown>
}
const { createSyncAccessHandle } = prototype
let opened = 0
prototype.createSyncAccessHandle = async function (this: typeof prototype) {
  // One to try, four that are looked at, one more to try, and then four that SQLite takes.
  if (++opened > 7) throw new DOMException('a fault that goes by', 'UnknownError')
  return createSyncAccessHandle.call(this)
}

/** The worker on a browser whose workers can't write to OPFS synchronously. */
import '@onyx-sync/client/sqlite-worker'

Reflect.deleteProperty(FileSystemFileHandle.prototype, 'createSyncAccessHandle')

import type { RemoteUpdate } from '../../client/src/core/remote-updates.js'

/** An update as it comes from a server, signed by nobody in particular. */
export function remoteUpdate(address: string, update: Uint8Array): RemoteUpdate {
  return {
    address,
    updates: [update],
    author: undefined,
    clientIds: [],
    statement: undefined,
    logged: { as: 'event', bytes: update.byteLength },
    checks: [],
  }
}

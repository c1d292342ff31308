import type { TabPorts } from '../../ports/tabs.js'

/**
 * The tabs of one origin that use the database of that name, by Web Locks and a BroadcastChannel. The browser lets go of a
 * tab's locks when it goes, however it goes, and hands them on within some tens of milliseconds. Undefined where the
 * platform lacks one of the two, or the page isn't from a secure origin.
 */
export function webTabs(name: string): TabPorts | undefined {
  const { locks } = globalThis.navigator ?? {}
  if (locks === undefined || typeof globalThis.BroadcastChannel === 'undefined') return undefined
  const prefix = `onyx-sync/${name}/tabs/`
  return {
    join(onMessage) {
      const channel = new BroadcastChannel(prefix)
      channel.onmessage = ({ data }: MessageEvent<unknown>) => onMessage(data)
      return {
        post: (message) => channel.postMessage(message),
        close() {
          channel.onmessage = null
          channel.close()
        },
      }
    },
    lock: (lockName, signal) =>
      new Promise((resolve, reject) => {
        const held = () => new Promise<void>((letGo) => resolve(() => letGo()))
        locks.request(prefix + lockName, signal === undefined ? {} : { signal }, held).catch(reject)
      }),
    async held() {
      const { held = [] } = await locks.query()
      return held
        .map(({ name: lockName = '' }) => lockName)
        .filter((lockName) => lockName.startsWith(prefix))
        .map((lockName) => lockName.slice(prefix.length))
    },
  }
}

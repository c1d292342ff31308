import type { Documents } from './documents-api.js'
import type { Holding } from './holding.js'

/** The documents as an app uses them: what isn't here is brought first. */
export function withBodies(documents: Documents, holding: Holding, onReleased: () => void): Documents {
  return {
    ...documents,
    read: (address, look) => holding.using(address, () => documents.read(address, look)),
    edit: (address, change, origin) => holding.using(address, () => documents.edit(address, change, origin)),
    decideMembers: (address, decisions, alongside) =>
      holding.using(address, () => documents.decideMembers(address, decisions, alongside)),
    async open(address) {
      const opened = await holding.using(address, () => documents.open(address))
      return {
        ...opened,
        release() {
          opened.release()
          onReleased()
          holding.look()
        },
      }
    },
  }
}

import { createApiKeys } from '../answers/model-choice.js'
import { keptValues } from '../device/kept-values.js'
import { createKeychain, newSecretKey } from '../device/keychain.js'
import { deleteDatabase } from '../device/open-device.js'
import { frameSlot } from '../device/slot.js'

const slots = [frameSlot('left'), frameSlot('right')]

/** Gives both devices one new account, unless they have one. It is for this page only, beside that of the browser. */
export async function preparePair(): Promise<void> {
  const keychains = slots.map(createKeychain)
  await keptValues.mend()
  const accounts = keychains.map((keychain) => keychain.account())
  if (accounts.every((account) => account !== undefined && account.pubkey === accounts[0]?.pubkey)) return
  const secretKey = newSecretKey()
  for (const keychain of keychains) {
    await keychain.forget()
    await keychain.takeKey(secretKey)
  }
}

/** Takes both devices away, for a beginning with a new account. Their frames must be gone. */
export async function forgetPair(): Promise<void> {
  for (const slot of slots) {
    const keychain = createKeychain(slot)
    const account = keychain.account()
    await keychain.forget()
    await createApiKeys(slot).forget()
    await keptValues.set([`onyx-sync.offline${slot.suffix}`, undefined])
    localStorage.removeItem(`onyx-sync.marks${slot.suffix}`)
    localStorage.removeItem(`onyx-sync.marks-seen${slot.suffix}`)
    if (account !== undefined) await deleteDatabase(account, slot)
  }
}

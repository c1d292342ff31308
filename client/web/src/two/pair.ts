import { keptValues } from '../device/kept-values.js'
import { createKeychain, newSecretKey } from '../device/keychain.js'
import { forgetAccount } from '../device/open-device.js'
import { frameSlot } from '../device/slot.js'

const devices = ['left', 'right'].map((name) => {
  const slot = frameSlot(name)
  return { slot, keychain: createKeychain(slot) }
})

/** Gives both devices one new account, unless they have one. It is for this page only, beside that of the browser. */
export async function preparePair(): Promise<void> {
  await keptValues.mend()
  const [left, right] = devices.map(({ keychain }) => keychain.account()?.pubkey)
  if (left !== undefined && left === right) return
  // Also what a browser that was killed has left of others.
  await forgetPair()
  const secretKey = newSecretKey()
  for (const { keychain } of devices) await keychain.takeKey(secretKey)
}

/** Takes both devices away, for a beginning with a new account. Their frames must be gone. */
export async function forgetPair(): Promise<void> {
  for (const { slot, keychain } of devices) await forgetAccount(slot, keychain)
}

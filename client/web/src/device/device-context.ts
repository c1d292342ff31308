import { createContext, useContext } from 'react'
import type { Replies } from '../answers/replies.js'
import type { Device } from './open-device.js'
import type { Session } from './session.js'

/** What is there while a device is open. */
export interface OpenDevice extends Device {
  readonly session: Session
  readonly replies: Replies
}

/** Gives the open device to everything that is shown of it. */
export const DeviceContext = createContext<OpenDevice | undefined>(undefined)

export function useDevice(): OpenDevice {
  const device = useContext(DeviceContext)
  if (device === undefined) throw new Error('no device is open here')
  return device
}

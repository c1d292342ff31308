import type { Signer } from '@onyx-sync/shared'
import { createContext, useContext } from 'react'
import type { Device } from '../device/open-device.js'
import type { LogReader } from './log-reader.js'
import type { TrafficLog } from './traffic-log.js'

/** What the inspector looks at, and what it looks with. */
export interface Inspected extends Device {
  readonly reader: LogReader
  readonly traffic: TrafficLog
  readonly signer: Signer
  /** The server's NIP-11 document. Rejects with `CONNECTION_FAILED`. */
  fetchInfo(): Promise<unknown>
}

/** Gives it to everything on the page. */
export const InspectedContext = createContext<Inspected | undefined>(undefined)

export function useInspected(): Inspected {
  const inspected = useContext(InspectedContext)
  if (inspected === undefined) throw new Error('nothing is open here')
  return inspected
}

import { keptValues } from './kept-values.js'
import type { Slot } from './slot.js'

const FRAME_NAMES: Readonly<Record<string, string>> = { left: 'Phone', right: 'Laptop' }

/** What others see this device called, in presence only: given by its user, or what the browser says it is. */
export function deviceName(slot: Slot): string {
  return keptValues.get(nameOf(slot)) ?? FRAME_NAMES[slot.name] ?? browserName(navigator.userAgent)
}

export function setDeviceName(slot: Slot, name: string): void {
  const trimmed = name.trim().slice(0, 40)
  // Where the browser refuses it, it holds for as long as local storage has it.
  keptValues.set([nameOf(slot), trimmed === '' ? undefined : trimmed]).catch(() => {})
}

function nameOf(slot: Slot): string {
  return `onyx-sync.device-name${slot.suffix}`
}

function browserName(agent: string): string {
  const browser = /Firefox|Edg|Chrome|Safari/.exec(agent)?.[0].replace('Edg', 'Edge') ?? 'Browser'
  const system = /Android|iPhone|iPad|Windows|Mac OS|Linux/.exec(agent)?.[0].replace('Mac OS', 'Mac')
  return system === undefined ? browser : `${browser} on ${system}`
}

import { recordsOf } from './journal-file.js'
import { createVarintReader } from './varint-reader.js'

/** Tags of the fields of a version edit. Source: LevelDB's db/version_edit.cc. */
const TAG = {
  comparator: 1,
  logNumber: 2,
  nextFileNumber: 3,
  lastSequence: 4,
  compactPointer: 5,
  deletedFile: 6,
  newFile: 7,
  prevLogNumber: 9,
} as const

/**
 * Numbers of the tables that a manifest says a database is made of. Other table files in its directory are left
 * over, or were not finished when a process was killed. Throws `RangeError` for what is no manifest.
 */
export function liveTables(manifest: Buffer): ReadonlySet<number> {
  const live = new Set<number>()
  for (const record of recordsOf(manifest)) {
    const reader = createVarintReader(record)
    // An edit removes before it adds, whatever the order of its fields.
    const added: number[] = []
    const skipText = () => reader.bytes(reader.varint())
    while (!reader.isAtEnd) {
      const tag = reader.varint()
      switch (tag) {
        case TAG.comparator:
          skipText()
          break
        case TAG.logNumber:
        case TAG.nextFileNumber:
        case TAG.lastSequence:
        case TAG.prevLogNumber:
          reader.varint()
          break
        case TAG.compactPointer:
          reader.varint()
          skipText()
          break
        case TAG.deletedFile:
          reader.varint()
          live.delete(reader.varint())
          break
        case TAG.newFile:
          reader.varint()
          added.push(reader.varint())
          reader.varint()
          skipText()
          skipText()
          break
        default:
          throw new RangeError(`no field of a manifest: ${tag}`)
      }
    }
    for (const number of added) live.add(number)
  }
  return live
}

import { makeIndexedDb, removeIndexedDb } from './indexed-db.js'

/** Of a database that is gone at once, and holds nothing. */
const NAME = 'onyx-sync-log'

/**
 * Has Chromium put away what it finds in the log of this origin's IndexedDB, and begin a new one. Never rejects; takes
 * about ten milliseconds, and changes nothing in other browsers.
 *
 * Chromium keeps IndexedDB in LevelDB, and goes on writing to the log that it finds, also behind a record that a killed
 * process left unfinished. When it is killed once more, all that lies behind this record is gone, or all of the origin's
 * databases are (https://github.com/google/leveldb/issues/1287). Of 30 kills in the midst of large writes 4 left such a
 * record, and each of these was followed by that. A log ends when 4 MiB were written to it, and when a database is
 * deleted: then Chromium compacts.
 */
export async function startNewIndexedDbLog(): Promise<void> {
  try {
    await makeIndexedDb(NAME)
    await removeIndexedDb(NAME)
  } catch {
    // No room, or another page does the same. What is in the databases can be read all the same.
  }
}

/** Where databases are in the origin private file system (OPFS), as far as a page, without a worker, can see. */
import { READY } from '../sqlite-wasm/opfs-pool.js'

const ROOT = 'onyx-sync'
/** What a folder holds from the beginning of its removal on. */
const REMOVING = 'removing'

/** A page that goes away lets go of its files a moment after its lock. */
const HELD_FOR_MS = 5_000
const RETRY_MS = 50

/**
 * Folders, from the root on, of the database with this name; one of its own for each. Capitals are encoded as well: there
 * are file systems that take `A` and `a` for the same.
 */
export function opfsPath(name: string): readonly string[] {
  const encoded = encodeURIComponent(name)
    .replace(/%../g, (code) => code.toLowerCase())
    .replace(/[A-Z]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`)
  return [ROOT, `${encoded}.sqlite`]
}

/**
 * Whether OPFS has a database of this name whose tables have been committed once; `undefined` where the browser doesn't
 * let one look. Ends a removal that was broken off, and rejects where that can't be done.
 */
export async function hasOpfsDatabase(name: string): Promise<boolean | undefined> {
  try {
    const folder = await findFolder(name)
    if (folder === undefined) return false
    if (!(await hasFile(folder, REMOVING))) return await hasFile(folder, READY)
  } catch {
    return undefined
  }
  await removeOpfsDatabase(name)
  return false
}

/** Removes a database with all its files. Nothing happens where there is none. */
export async function removeOpfsDatabase(name: string): Promise<void> {
  const folder = await findFolder(name)
  // What is left of a removal that is broken off must not be taken for a database.
  await folder?.getFileHandle(REMOVING, { create: true })
  for (const until = performance.now() + HELD_FOR_MS; folder !== undefined; ) {
    try {
      const root = await (await navigator.storage.getDirectory()).getDirectoryHandle(ROOT)
      return await root.removeEntry(folder.name, { recursive: true })
    } catch (error) {
      if (isMissing(error)) return
      if (nameOf(error) !== 'NoModificationAllowedError' || performance.now() > until) throw error
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
  }
}

async function findFolder(name: string): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    let folder = await navigator.storage.getDirectory()
    for (const part of opfsPath(name)) folder = await folder.getDirectoryHandle(part)
    return folder
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

async function hasFile(folder: FileSystemDirectoryHandle, name: string): Promise<boolean> {
  try {
    await folder.getFileHandle(name)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

const nameOf = (error: unknown) => (error as { name?: string }).name
const isMissing = (error: unknown) => nameOf(error) === 'NotFoundError'

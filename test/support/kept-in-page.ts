import type { Page } from 'playwright-core'

/** Says on the console that a database's files are about to be removed, and lets that take forever. */
export function hangWhenRemoving(): void {
  FileSystemDirectoryHandle.prototype.removeEntry = () => {
    console.log('removing')
    return new Promise(() => {})
  }
}

/** All that the page has on the disk: names in local storage, databases, and files of databases. */
export function whatIsKept(page: Page) {
  return page.evaluate(async () => {
    const files: string[] = []
    const read = async (folder: FileSystemDirectoryHandle) => {
      // The types of the library leave its entries out.
      const entries = (folder as unknown as { values(): AsyncIterable<FileSystemHandle> }).values()
      for await (const entry of entries) {
        if (entry.kind === 'file') files.push(entry.name)
        else await read(entry as FileSystemDirectoryHandle)
      }
    }
    await read(await navigator.storage.getDirectory())
    const databases = (await indexedDB.databases()).map(({ name }) => name)
    return { values: Object.keys(localStorage).sort(), databases, files }
  })
}

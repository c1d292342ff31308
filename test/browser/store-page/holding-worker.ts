/** Somebody who has a database's files open and knows nothing of locks. Says so once he has them, and keeps them. */
type Handle = FileSystemFileHandle & { createSyncAccessHandle(): Promise<unknown> }

addEventListener('message', async ({ data: path }: MessageEvent<readonly string[]>) => {
  let folder = await navigator.storage.getDirectory()
  for (const name of path) folder = await folder.getDirectoryHandle(name)
  const entries = folder as unknown as AsyncIterable<[string, Handle]>
  const held: unknown[] = []
  for await (const [, file] of entries) held.push(await file.createSyncAccessHandle())
  Object.assign(globalThis, { held })
  postMessage(held.length)
})

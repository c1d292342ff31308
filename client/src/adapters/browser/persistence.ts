/**
 * Whether the browser promises to keep this site's data until its user removes it. @param mayAsk whether to ask for that
 * where it doesn't yet. Never rejects.
 */
export async function askToKeep(mayAsk: boolean): Promise<boolean> {
  try {
    const { storage } = navigator
    return (await storage.persisted()) || (mayAsk && (await storage.persist()))
  } catch {
    // Not there, or not for this page.
    return false
  }
}

const cleanups: (() => unknown)[] = []

/**
 * Does something after the test, last registered first. A setup file calls {@link cleanUp}: a hook of a module would only be
 * there for the first file that imports it, since files share their modules.
 */
export function afterThisTest(cleanup: () => unknown): void {
  cleanups.push(cleanup)
}

/** Does what was to be done after the test. What fails is thrown once all has been tried. */
export async function cleanUp(): Promise<void> {
  const failures: unknown[] = []
  for (const cleanup of cleanups.splice(0).reverse()) {
    try {
      await cleanup()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
}

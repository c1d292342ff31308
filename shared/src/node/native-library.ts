/**
 * Names under which a system has libsecp256k1, newest first. Not `.so.0`: under that name libraries went
 * around whose `secp256k1_schnorrsig_verify` takes other arguments, and a wrong call ends the process.
 */
export const LIBRARY_NAMES: readonly string[] =
  process.platform === 'darwin'
    ? ['/opt/homebrew/lib', '/usr/local/lib', '/opt/local/lib'].map((place) => `${place}/libsecp256k1.dylib`)
    : process.platform === 'win32'
      ? [
          'secp256k1.dll',
          'libsecp256k1.dll',
          'libsecp256k1-6.dll',
          'libsecp256k1-5.dll',
          'libsecp256k1-2.dll',
        ]
      : ['6', '5', '4', '3', '2', '1'].map((version) => `libsecp256k1.so.${version}`)

/** A shared library that is loaded. */
export type Library = ReturnType<typeof import('koffi').load>

/**
 * What `bind` makes of the first library that can be loaded and has what it asks for. Rejects, with what was tried,
 * where there is none, or where koffi, which calls it, isn't installed.
 *
 * @param libraryNames names or paths for the system's loader, tried in turn
 */
export async function bindLibrary<T>(
  libraryNames: readonly string[],
  bind: (library: Library, libraryName: string) => T,
): Promise<T> {
  // Optional: not every platform has it, and not every app installs it.
  const { default: koffi } = await import('koffi')
  const failures: string[] = []
  for (const libraryName of libraryNames) {
    try {
      return bind(koffi.load(libraryName), libraryName)
    } catch (error) {
      failures.push(`${libraryName}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  throw new Error(`libsecp256k1 can not be loaded: ${failures.join('; ')}`)
}

/** A context of the library, which each of its calls takes. Throws where it gives none. */
export function createContext(library: Library, libraryName: string, flags: number): unknown {
  const create = library.func('void *secp256k1_context_create(unsigned int flags)')
  const context = create(flags) as unknown
  if (context === null) throw new Error(`${libraryName} gave no context`)
  return context
}

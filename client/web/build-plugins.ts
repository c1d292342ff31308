import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import type { Plugin, ResolvedConfig } from 'vite'

/** What a compressor makes smaller. */
const TEXT = /\.(html|js|css|svg|json|webmanifest|wasm|txt)$/
/** What the build makes of files, and is no file of its own. */
const DERIVED = /\.(br|gz)$|^\/sw\.js$/
/** Ways into SQLite that no page of ours takes; the bundler puts them out because the library names them. */
const UNUSED = /\/sqlite3-(worker1|opfs-async-proxy)-/
/** Larger than everything else, and no page needs it: it is fetched when a signature is checked, where there is a network. */
const FETCHED = /\/secp256k1-[^/]*\.wasm$/
/** Below this a packet is a packet. Bytes. */
const MIN_BYTES = 1_024

/** All files of a build, by their paths below it. */
function filesOf(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length))
    .sort()
}

/**
 * Writes the service worker into the build, with the list of all files that it keeps, and a version that is another one
 * whenever one of them is.
 */
export function serviceWorker(source: string): Plugin {
  let directory = ''
  return {
    name: 'onyx-service-worker',
    apply: 'build',
    configResolved(config: ResolvedConfig) {
      directory = config.build.outDir
    },
    closeBundle: {
      order: 'pre',
      sequential: true,
      handler() {
        const files = filesOf(directory).filter(
          (file) => ![UNUSED, FETCHED, DERIVED].some((kind) => kind.test(file)),
        )
        const hash = createHash('sha256')
        for (const file of files) hash.update(file).update(readFileSync(directory + file))
        const code = readFileSync(source)
        const version = hash.update(code).digest('hex').slice(0, 12)
        const paths = files.map((file) => file.replace(/^\/index\.html$/, '/').replace(/\.html$/, ''))
        const values = { __VERSION__: version, __FILES__: paths }
        const script = Object.entries(values).reduce((text, [name, value]) => {
          if (!text.includes(`'${name}'`)) throw new Error(`${source} has no '${name}'`)
          return text.replace(`'${name}'`, JSON.stringify(value))
        }, code.toString())
        writeFileSync(join(directory, 'sw.js'), script)
      },
    },
  }
}

/** Puts each file beside itself once more as brotli and as gzip, for the server to serve as they are. */
export function compressedFiles(): Plugin {
  let directory = ''
  return {
    name: 'onyx-compressed-files',
    apply: 'build',
    configResolved(config: ResolvedConfig) {
      directory = config.build.outDir
    },
    closeBundle: {
      order: 'post',
      sequential: true,
      handler() {
        for (const file of filesOf(directory)) {
          const body = readFileSync(directory + file)
          // Its tables of numbers don't get smaller, and brotli would take seconds to find that.
          if (!TEXT.test(file) || FETCHED.test(file) || body.byteLength < MIN_BYTES) continue
          const params = { [constants.BROTLI_PARAM_SIZE_HINT]: body.byteLength }
          writeFileSync(`${directory}${file}.br`, brotliCompressSync(body, { params }))
          writeFileSync(`${directory}${file}.gz`, gzipSync(body, { level: 9 }))
        }
      },
    },
  }
}

/** tiny-secp256k1 asks its bundler for modules of WebAssembly, which Vite hasn't. It gets what it loads itself on Node. */
export function secp256k1Wasm(): Plugin {
  return {
    name: 'onyx-secp256k1-wasm',
    enforce: 'pre',
    load(id) {
      if (!/\/tiny-secp256k1\/lib\/wasm_loader(\.browser)?\.js$/.test(id)) return undefined
      return `
        import init from './secp256k1.wasm?init'
        import * as rand from './rand.browser.js'
        import * as validateError from './validate_error.js'
        const { exports } = await init({ './rand.js': rand, './validate_error.js': validateError })
        export default exports
      `
    },
  }
}

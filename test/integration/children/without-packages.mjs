// Imported first by a process that is to find koffi and tiny-secp256k1 not installed. Whatever asks for one of them is
// written into the file of the variable ASKED_FOR.
import { appendFileSync } from 'node:fs'
import { register } from 'node:module'

const MISSING = new Set(['koffi', 'tiny-secp256k1'])

export async function resolve(specifier, context, next) {
  if (!MISSING.has(specifier)) return next(specifier, context)
  appendFileSync(process.env.ASKED_FOR, `${specifier}\n`)
  throw Object.assign(new Error(`Cannot find package '${specifier}'`), { code: 'ERR_MODULE_NOT_FOUND' })
}

// This module is both: what is imported, and, in the thread that it registers there, the hook.
if (!import.meta.url.endsWith('?hook')) register(`${import.meta.url}?hook`)

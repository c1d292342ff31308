#!/usr/bin/env node
// A committed file, so that npm links the command before the first build.
import { existsSync } from 'node:fs'

const entry = new URL('../command/onyx-sync-server.js', import.meta.url)
if (!existsSync(entry)) {
  console.error('onyx-sync-server is not built yet: run "npm run build" first')
  process.exit(1)
}
await import(entry.href)

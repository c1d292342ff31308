import type { Target } from '../target.js'
import { cursors, events, http, info, sessions } from './server.js'
import { contents, splitting, updates } from './updates.js'
import { auth, filters, messages, presence, signature, states, summaries, writers } from './wire.js'

/** Everything that takes what others wrote. */
export const TARGETS: readonly Target[] = [
  messages,
  filters,
  events,
  updates,
  splitting,
  contents,
  cursors,
  http,
  auth,
  presence,
  states,
  summaries,
  writers,
  info,
  signature,
  sessions,
]

// What an app imports, to be bundled by Metro: everything of the client but what is for Node.
import SQLiteAdapter from '@nozbe/watermelondb/adapters/sqlite'
import * as client from '@onyx-sync/client'
import * as hooks from '@onyx-sync/client/react'
import * as Y from 'yjs'

console.log(Object.keys(client), Object.keys(hooks), SQLiteAdapter, Y)

import type { DocumentInfo, Documents } from './documents-api.js'
import type { Journal } from './journal.js'

/** What the model has to know of a document without loading it. */
export type KnownDocument = Pick<DocumentInfo, 'address' | 'members' | 'body'>

/** The documents as far as the model works with them: those of this process, or of the tab that has the database. */
export interface ModelDocuments
  extends Pick<Documents, 'flush' | 'read' | 'open' | 'edit' | 'decideMembers'> {
  readonly journal: Pick<Journal, 'flush'>
  list(): readonly KnownDocument[]
  info(address: string): KnownDocument | undefined
}

/*
 * What WatermelonDB's SQLite adapter is made of, past its public API and without types, written against the pinned
 * version 0.28.0: how queries, batches and schemas become SQL, and what rows are checked against.
 */
import type { AppSchema, RawRecord, SchemaMigrations, TableSchema } from '@nozbe/watermelondb'
// @ts-expect-error: it has no types
import * as commonNamespace from '@nozbe/watermelondb/adapters/common.js'
// @ts-expect-error: it has no types
import * as batchNamespace from '@nozbe/watermelondb/adapters/sqlite/encodeBatch/index.js'
// @ts-expect-error: it has no types
import * as queryNamespace from '@nozbe/watermelondb/adapters/sqlite/encodeQuery/index.js'
// @ts-expect-error: it has no types
import * as schemaNamespace from '@nozbe/watermelondb/adapters/sqlite/encodeSchema/index.js'
import type { SQL, SQLiteArg } from '@nozbe/watermelondb/adapters/sqlite/type.js'
import type { BatchOperation } from '@nozbe/watermelondb/adapters/type.js'
import type { SerializedQuery } from '@nozbe/watermelondb/Query/index.js'
import type { MigrationStep } from '@nozbe/watermelondb/Schema/migrations/index.js'
import * as stepsNamespace from '@nozbe/watermelondb/Schema/migrations/stepsForMigration.js'
import type { SqlOperation } from './unsafe.js'
import { defaultOf, exportsOf } from './watermelon.js'

interface SchemaEncoders {
  encodeSchema(schema: AppSchema): SQL
  encodeMigrationSteps(steps: MigrationStep[]): SQL
}
interface Common {
  validateTable(table: string, schema: AppSchema): void
  sanitizeFindResult(found: unknown, schema: TableSchema): string | RawRecord | undefined
  sanitizeQueryResult(found: unknown, schema: TableSchema): (string | RawRecord)[]
}

const schemaEncoders: SchemaEncoders = exportsOf(schemaNamespace as SchemaEncoders, 'encodeSchema')
const { stepsForMigration } = exportsOf(stepsNamespace, 'stepsForMigration')

export const { validateTable, sanitizeFindResult, sanitizeQueryResult } = exportsOf(
  commonNamespace as Common,
  'validateTable',
)

/** A query, or the counting of what it finds, as SQL with values to bind. */
export const encodeQuery: (query: SerializedQuery, countMode?: boolean) => [SQL, SQLiteArg[]] =
  defaultOf(queryNamespace)

export const encodeBatch: (operations: BatchOperation[], schema: AppSchema) => SqlOperation[] =
  defaultOf(batchNamespace)

/** The SQL that creates the tables of a schema. */
export function schemaToSql(schema: AppSchema): string {
  return schemaEncoders.encodeSchema(schema)
}

/** The SQL that brings tables up to the schema's version; `undefined` if there is no way from that version. */
export function migrationsToSql(
  migrations: SchemaMigrations,
  fromVersion: number,
  toVersion: number,
): string | undefined {
  const steps = stepsForMigration({ migrations, fromVersion, toVersion })
  return steps === null ? undefined : schemaEncoders.encodeMigrationSteps(steps)
}

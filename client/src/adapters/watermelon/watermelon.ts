import * as index from '@nozbe/watermelondb'
import * as migrations from '@nozbe/watermelondb/Schema/migrations/index.js'

/**
 * WatermelonDB as CommonJS without an exports map comes in two shapes: bundlers give its exports by name,
 * native ESM in Node gives them all on `default`. This is the one place that minds.
 */
export function exportsOf<T extends object>(namespace: T, probe: keyof T): T {
  return probe in namespace ? namespace : (namespace as T & { default: T }).default
}

/** The default export, which is as such or the default of a default, depending on the importing package. */
export function defaultOf<T>(namespace: { readonly default: unknown }): T {
  const given = namespace.default as T | { readonly default: T }
  return typeof given === 'object' && given !== null && 'default' in given ? given.default : (given as T)
}

export const { Database, Model, Q, appSchema, tableSchema } = exportsOf(index, 'Database')
export const { addColumns, createTable, schemaMigrations } = exportsOf(migrations, 'schemaMigrations')

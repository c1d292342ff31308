/** Key in the store's meta: the version of the query rows that are on disk. */
export const META_ROWS_VERSION = 'rowsVersion'
/** What the code makes of documents. Another number, and every device rebuilds its query tables once. */
export const ROWS_VERSION = '2'

/**
 * Data files as a stage can read them: Parquet that holds just the rows that are meant, under the table's own names and of
 * its types. Most files are so as they stand; the others are written anew.
 */
import { copyToParquet } from '../../engine/batch/duckdb-parquet.ts'
import type { ObjectStore, TableInputFile } from '../../engine/contracts.ts'
import type { Duckdb } from '../../engine/duckdb.ts'
import type { Column } from '../../engine/schema.ts'
import type { MetaData } from './actions.ts'
import { changeTypeColumn, type VersionFile } from './change-feed.ts'
import { mappingMode, physicalColumns } from './column-mapping.ts'
import { withFieldIds } from './field-ids.ts'
import { type LocalFile, localDataFile, readDeletedRows, selectFiles } from './read.ts'

/** A file of one version, brought to this machine. */
export async function localVersionFile(store: ObjectStore, tablePath: string, file: VersionFile): Promise<LocalFile> {
  const local = await localDataFile(store, tablePath, file)
  if (file.onlyIn === undefined) return local
  const { deleted = [], ...rest } = local
  const others = new Set(deleted)
  const only = (await readDeletedRows(store, tablePath, file.onlyIn)).filter((row) => !others.has(row))
  return { ...rest, only }
}

export interface PlainFilesOptions {
  readonly metaData: MetaData
  readonly columns: readonly Column[]
  readonly duckdb: () => Promise<Duckdb>
  /** A new local path for each file that is written anew. */
  readonly nextPath: () => string
}

/** Makes what turns files of a table, as of one schema, into files of a stage's input. */
export function plainFiles(options: PlainFilesOptions) {
  const { metaData, columns, duckdb, nextPath } = options
  const translated = mappingMode(metaData) !== 'none' || metaData.schemaString.includes('"delta.typeChanges"')
  return async ({ constants }: VersionFile, local: LocalFile): Promise<TableInputFile> => {
    if (!translated && local.deleted === undefined && local.only === undefined)
      return { path: local.path, constants: { ...local.constants, ...constants } }
    const fed = '_commit_version' in constants && !(changeTypeColumn.name in constants) ? [changeTypeColumn] : []
    const physical = [...physicalColumns(metaData, columns), ...fed]
    const [named = local] = await withFieldIds({ metaData, columns, duckdb }, [local])
    const file = named.physical === undefined ? named : { ...named, physical: [...named.physical, ...fed] }
    const query = selectFiles({ columns: [...columns, ...fed], physical, files: [file] })
    const path = nextPath()
    await (await duckdb()).withConnection((connection) => copyToParquet(connection, query, path))
    return { path, constants }
  }
}

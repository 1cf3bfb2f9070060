/** Which SQL a user may run on the embedded store: queries over its tables, by DuckDB's own syntax tree. */
import { type Connection, literal } from '../../engine/duckdb.ts'
import { MillraceError } from '../../engine/errors.ts'

/** Functions that may stand in `FROM`: they make rows of their arguments, or list what the store has. All others are refused. */
const tableFunctions: ReadonlySet<string> = new Set([
  'duckdb_columns',
  'duckdb_constraints',
  'duckdb_functions',
  'duckdb_keywords',
  'duckdb_tables',
  'duckdb_types',
  'duckdb_views',
  'generate_series',
  'json_each',
  'json_tree',
  'pragma_show',
  'pragma_table_info',
  'pragma_version',
  'range',
  'repeat',
  'repeat_row',
  'unnest',
])

/** Functions of values that have an effect, or show how the process is set up. */
const refusedFunctions: ReadonlySet<string> = new Set(['current_setting', 'currval', 'nextval', 'setseed', 'write_log'])

const ownSchemas: ReadonlySet<unknown> = new Set(['', 'main', 'information_schema', 'pg_catalog'])

type Node = Readonly<Record<string, unknown>>

/**
 * Parses `sql` and refuses, before anything of it is bound or run, what is no single query over tables of the store: other statements,
 * files and addresses as tables, functions that read files, change settings or write logs, tables of other attached databases.
 * @throws MillraceError `SINK_FAILED` that names what is refused
 */
export async function requireReadOnlySql(connection: Connection, sql: string): Promise<void> {
  const [row] = await connection.rows(`SELECT json_serialize_sql(${literal(sql)}::VARCHAR) AS tree`)
  const tree = JSON.parse(String(row?.tree)) as Node
  if (tree.error === true) throw refused(whyNotParsed(tree))
  if (!Array.isArray(tree.statements) || tree.statements.length !== 1)
    throw refused('give one query, without a second one behind it')
  const problem = firstProblem(tree.statements)
  if (problem !== null) throw refused(problem)
}

function whyNotParsed({ error_type: type, error_message: message }: Node): string {
  if (type === 'parser') return String(message)
  return 'only queries are allowed: SELECT, FROM, WITH, VALUES, DESCRIBE, SUMMARIZE, SHOW TABLES'
}

function firstProblem(root: unknown): string | null {
  const open: unknown[] = [root]
  while (open.length > 0) {
    const node = open.pop()
    if (node === null || typeof node !== 'object') continue
    if (!Array.isArray(node)) {
      const problem = problemOf(node as Node)
      if (problem !== null) return problem
    }
    open.push(...Object.values(node))
  }
  return null
}

function problemOf(node: Node): string | null {
  switch (node.type) {
    case 'TABLE_FUNCTION': {
      const called = node.function as Node | undefined
      const name = String(called?.function_name).toLowerCase()
      return tableFunctions.has(name) ? null : `the table function ${name} is not allowed`
    }
    case 'FUNCTION': {
      const name = String(node.function_name).toLowerCase()
      return refusedFunctions.has(name) ? `the function ${name} is not allowed` : null
    }
    case 'BASE_TABLE':
      return problemOfTable(node)
    case 'SHOW_REF':
      return node.query !== null || node.table_name === '"tables"'
        ? null
        : 'of SHOW statements only SHOW TABLES is allowed'
    default:
      return null
  }
}

/** A name that may be a path or an address is taken for a file by DuckDB where there is no such table. */
function problemOfTable({ catalog_name: catalog, schema_name: schema, table_name: name }: Node): string | null {
  const table = String(name)
  if (/[./\\:*?]/.test(table)) return `${table} is no table of the store: files and addresses are not read`
  if (catalog !== '' || !ownSchemas.has(schema))
    return `${[catalog, schema, table].filter(Boolean).join('.')} is not in the store (name the table alone)`
  return null
}

function refused(why: string): MillraceError {
  return new MillraceError('SINK_FAILED', `olap query: ${why}`)
}

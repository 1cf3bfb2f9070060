/** Which Cypher a user may run: queries that read the graph, and nothing beside it. Pure. */
import { MillraceError } from '../../engine/errors.ts'

/** Words that a query may begin with. */
const beginnings: ReadonlySet<string> = new Set([
  'CALL',
  'EXPLAIN',
  'MATCH',
  'OPTIONAL',
  'PROFILE',
  'RETURN',
  'UNWIND',
  'WITH',
])

/** Words that begin a clause which writes, reads files or addresses, loads code, or changes the session. */
const refusedWords: ReadonlySet<string> = new Set([
  'ALTER',
  'ATTACH',
  'BEGIN',
  'CHECKPOINT',
  'COMMENT',
  'COMMIT',
  'COPY',
  'CREATE',
  'DELETE',
  'DETACH',
  'DROP',
  'EXPORT',
  'FOREACH',
  'IMPORT',
  'INSTALL',
  'LOAD',
  'MERGE',
  'REMOVE',
  'ROLLBACK',
  'SET',
  'UNINSTALL',
  'USE',
])

/** Procedures that only say what is in the graph: Ladybug's, then Neo4j's. */
const procedures: ReadonlySet<string> = new Set([
  'db_version',
  'show_connection',
  'show_functions',
  'show_indexes',
  'show_macros',
  'show_tables',
  'table_info',
  'db.labels',
  'db.propertykeys',
  'db.relationshiptypes',
  'db.schema.nodetypeproperties',
  'db.schema.reltypeproperties',
  'db.schema.visualization',
  'dbms.components',
])

/** First parts of the names of built-in functions that have a dot. Others come with plug-ins, and may read files or addresses. */
const namespaces: ReadonlySet<string> = new Set([
  'date',
  'datetime',
  'duration',
  'localdatetime',
  'localtime',
  'point',
  'time',
  'vector',
])

/** Comments, texts, quoted names; parameters, words with dots between them; else one character. */
const token =
  /\/\/[^\n\r\u0085\u2028\u2029]*|\/\*[\s\S]*?\*\/|'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*"|`(?:[^`]|``)*`|\$?[\p{L}_][\p{L}\p{N}_]*(?:\s*\.\s*[\p{L}_][\p{L}\p{N}_]*)*|\d[\w.]*|\S/gu

interface Word {
  readonly text: string
  /** The tokens before and behind it; '' at the ends. */
  readonly before: string
  readonly behind: string
}

/**
 * The query as it came. Beside the check of the store, which refuses what would change the graph, it is held against lists of what may stand in it, since
 * stores count as reading what writes files, reads them, or loads code.
 * @throws MillraceError `SINK_FAILED` that names what is refused
 */
export function readOnlyCypher(cypher: string): string {
  // Neo4j reads \uXXXX before anything else: such a quote would end a text that does not end here
  const problem = /\\u/i.test(cypher) ? 'write characters themselves, not as \\uXXXX' : problemOf(wordsOf(cypher))
  if (problem === null) return cypher
  throw new MillraceError('SINK_FAILED', `graph query: ${problem}`)
}

function wordsOf(cypher: string): readonly Word[] {
  const found = [...cypher.matchAll(token)].map(([text]) => text).filter((text) => !/^(?:\/\/|\/\*)/.test(text))
  while (found.at(-1) === ';') found.pop()
  return found.map((text, i) => ({ text, before: found[i - 1] ?? '', behind: found[i + 1] ?? '' }))
}

function problemOf(words: readonly Word[]): string | null {
  const [first] = words
  if (first === undefined) return 'it is empty'
  if (!beginnings.has(first.text.toUpperCase()))
    return `${first.text} is not allowed: a query begins with ${[...beginnings].join(', ')}`
  for (const word of words) {
    const problem = problemOfWord(word)
    if (problem !== null) return problem
  }
  return null
}

function problemOfWord({ text, before, behind }: Word): string | null {
  if (text === ';') return 'give one query, without a second one behind it'
  const name = text.replace(/\s/g, '')
  if (!/^[\p{L}_]/u.test(name)) return null
  if (before.toUpperCase() === 'CALL') return problemOfCall(name, behind)
  if (name.includes('.')) {
    const known = behind !== '(' || namespaces.has(name.split('.')[0]!.toLowerCase())
    return known ? null : `the function ${name} is not allowed: it is none that graphs have by themselves`
  }
  const isName = before === ':' || before === '|' || behind === ':' // a label, a type, or a key of a map
  if (isName || !refusedWords.has(name.toUpperCase())) return null
  return `${name.toUpperCase()} is not allowed: queries only read the graph (write a name in backticks: \`${name}\`)`
}

/** `CALL { ... }` is no procedure, and what is in it is looked at like all else. */
function problemOfCall(name: string, behind: string): string | null {
  if (procedures.has(name.toLowerCase()) && behind !== '=') return null
  return `CALL ${name} is not allowed (there are ${[...procedures].join(', ')})`
}

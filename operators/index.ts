/** Everything a definition is written with, besides connectors. */
export { type EmbedOptions, embed } from './embed.ts'
export { type ExplainedRule, expect, type OnViolation } from './expect.ts'
export {
  add,
  and,
  arrayOf,
  caseWhen,
  cast,
  coalesce,
  col,
  cols,
  concat,
  concatLists,
  dateOf,
  distinctList,
  divide,
  epochMicros,
  eq,
  field,
  filterList,
  first,
  flattenList,
  ge,
  gt,
  hashText,
  isDistinct,
  isNotNull,
  isNull,
  joinList,
  jsonGet,
  le,
  length,
  list,
  listContains,
  listLength,
  lit,
  lower,
  lt,
  mapList,
  matches,
  modulo,
  multiply,
  ne,
  not,
  nullIf,
  type Operand,
  or,
  sortedList,
  struct,
  structOf,
  substring,
  subtract,
  toText,
  trim,
  tryCast,
  upper,
  yearOf,
} from './expressions/functions.ts'
export type { Expression } from './expressions/tree.ts'
export { filter } from './filter.ts'
export { type FlattenSpec, flatten } from './flatten.ts'
export { type LatestByKeyOptions, latestByKey } from './latest-by-key.ts'
export { type MapBatches, type MapBatchesContext, type MapBatchesOptions, mapBatches } from './map-batches.ts'
export { type NetChangesOptions, netChanges } from './net-changes.ts'
export { parseCritical } from './parse/critical.ts'
export {
  boolean,
  constant,
  type FieldOptions,
  float64,
  int64,
  oneOf,
  recordKey,
  recordTimestamp,
  text,
  timestamp,
} from './parse/fields.ts'
export { date, type ParseSpec, parse } from './parse/typed.ts'
export { checkStage, explainStage, type StageCheck } from './relational/describe.ts'
export { type RelationalExecutorOptions, relationalExecutor } from './relational/executor.ts'
export { derive, drop, select } from './select.ts'
export { sql } from './sql.ts'
export { setFingerprint, textFingerprint, trackChanges } from './track-changes.ts'
export { union } from './union.ts'

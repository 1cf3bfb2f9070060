/** What the options of `delta({...})` look like. */
import { column } from '../../engine/data-type-shape.ts'
import {
  choiceOf,
  flag,
  isObject,
  json,
  listOf,
  mapOf,
  objectOf,
  oneOfTexts,
  optional,
  type Shape,
  shapeOf,
  text,
  textThat,
  wholeFrom,
} from '../../engine/shape.ts'
import { parseRetention, retentionForm } from './retention.ts'
import { tableName } from './table-name.ts'

const modes = ['append', 'merge', 'overwrite']

/** Of a source. A mode makes it a sink: it is among the names that may have been meant. */
const ofSource = objectOf({
  table: tableName,
  changeFeed: optional(flag),
  mode: optional(oneOfTexts(...modes)),
})

const names = listOf(text, 1)

const base = {
  table: tableName,
  from: optional(text),
  columns: optional(listOf(column)),
  changeFeed: optional(flag),
  deletionVectors: optional(flag),
  partitionBy: optional(listOf(text)),
  compactAfter: optional(wholeFrom(0)),
  retention: optional(textThat(retentionForm, (given) => parseRetention(given) !== null)),
  vacuum: optional(flag),
  notNull: optional(listOf(text)),
  check: optional(mapOf(text)),
}

const clauses = optional(
  listOf(
    objectOf({
      if: optional(text),
      then: oneOfTexts('update', 'delete', 'insert', 'keep'),
      set: optional(mapOf(text)),
    }),
  ),
)

const scalar = shapeOf(
  'a text, a number, true, false or null',
  (value) => value === null || ['string', 'boolean'].includes(typeof value) || Number.isFinite(value),
)

const ofModes: Readonly<Record<string, Shape>> = {
  append: objectOf({ ...base, mode: oneOfTexts('append') }),
  merge: objectOf({
    ...base,
    mode: oneOfTexts('merge'),
    key: names,
    newer: names,
    whenMatched: clauses,
    whenNotMatched: clauses,
    whenNotMatchedBySource: clauses,
  }),
  overwrite: objectOf({ ...base, mode: oneOfTexts('overwrite'), replaceWhere: optional(mapOf(scalar)) }),
}

/** Of a mode that there is not, what other options mean is not known either. */
const unknownMode = objectOf({
  ...base,
  mode: oneOfTexts(...modes),
  ...Object.fromEntries(
    ['key', 'newer', 'whenMatched', 'whenNotMatched', 'whenNotMatchedBySource', 'replaceWhere'].map((name) => [
      name,
      optional(json),
    ]),
  ),
})

const withMode = (value: unknown) => isObject(value) && value.mode !== undefined

/** Of a sink where there is a mode, else of a source. */
export const deltaShape = choiceOf('an object with the options of a table', [
  ...Object.entries(ofModes).map(([mode, shape]) => ({
    is: (value: unknown) => isObject(value) && value.mode === mode,
    shape,
  })),
  { is: withMode, shape: unknownMode },
  { is: isObject, shape: ofSource },
])

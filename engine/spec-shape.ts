/** What `definePipeline` is given, as far as its parts can be looked at one by one. */
import {
  choiceOf,
  described,
  flag,
  isObject,
  json,
  listOf,
  mapOf,
  objectOf,
  oneOfTexts,
  openObjectOf,
  optional,
  shapeOf,
  text,
} from './shape.ts'

const anyText = shapeOf('a text', (value) => typeof value === 'string')
const anything = shapeOf('anything', () => true)
const problems = optional(listOf(anyText))
const options = mapOf(json)

const source = described(
  'a source description, such as kafka({ topic }) or delta({ table })',
  openObjectOf({ kind: text, shape: oneOfTexts('records', 'table'), reads: anyText, options, problems }),
)

const sink = described(
  'a sink description, such as delta({ table, mode })',
  openObjectOf({ kind: text, writes: anyText, inputs: mapOf(optional(text)), options, problems }),
)

const step = choiceOf('a step, such as select(id, { … })', [
  {
    is: (value) => isObject(value) && typeof value.kind === 'string' && typeof value.executor === 'string',
    shape: openObjectOf({
      id: anyText,
      kind: text,
      executor: oneOfTexts('columns', 'relational'),
      from: optional(listOf(text)),
      rejects: flag,
      problems,
      options,
    }),
  },
])

/** Of a `PipelineSpec`; its name, trigger and limits are judged where it is defined. */
export const specShape = objectOf({
  name: optional(anything),
  description: optional(anyText),
  source: optional(source),
  sources: optional(mapOf(source)),
  steps: optional(listOf(step)),
  sink: optional(sink),
  sinks: optional(listOf(sink)),
  deadLetters: optional(sink),
  trigger: optional(anything),
  limits: optional(shapeOf('an object with maxRecords, maxBytes, maxAgeMs', isObject)),
})

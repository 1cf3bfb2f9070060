/** Runs `embed` on Arrow tables. */
import {
  Table as ArrowTable,
  type Data,
  DataType,
  Field,
  Float32,
  List,
  makeData,
  type RecordBatch,
  type Vector,
} from 'apache-arrow'
import { appendColumns } from '../engine/batch/arrow.ts'
import type { Step } from '../engine/contracts.ts'
import type { EmbeddedPart, Embedder } from '../engine/embedder.ts'
import { MillraceError } from '../engine/errors.ts'
import type { ColumnsStep, StepContext } from './columns/step.ts'

/** Makes an `embed` step runnable: opens its embedder. `STEP_FAILED` if the text column is missing or no text. */
export async function embedStep(step: Step, context: StepContext): Promise<ColumnsStep> {
  const embedder = await context.openEmbedder(String(step.options.embedder))
  const [text, into] = [String(step.options.text), String(step.options.into)]
  return {
    async process(table) {
      checkColumns(step, table, text, into)
      const field = new Field(into, vectorType, true)
      const batches: RecordBatch[] = []
      for (const batch of table.batches)
        batches.push(appendColumns(batch, [field], [await vectorColumn(embedder, batch.getChild(text)!, context)]))
      return { valid: new ArrowTable(batches), rejected: null }
    },
  }
}

const vectorType = new List(new Field('element', new Float32(), true))

function checkColumns(step: Step, table: ArrowTable, text: string, into: string): void {
  const fields = new Map(table.schema.fields.map((field) => [field.name, field]))
  const type = fields.get(text)?.type
  if (type === undefined)
    throw failed(step, `has no column ${text} to embed; there are: ${[...fields.keys()].join(', ')}`)
  if (!DataType.isUtf8(type) && !DataType.isLargeUtf8(type) && !DataType.isDictionary(type))
    throw failed(step, `cannot embed column ${text}: it is ${type}, not text (cast it to string before)`)
  if (fields.has(into)) throw failed(step, `would overwrite column ${into} (choose another name for "into")`)
}

function failed(step: Step, what: string): MillraceError {
  return new MillraceError('STEP_FAILED', `step ${step.id} ${what}`, { context: { step: step.id } })
}

/** Equal texts of a batch are embedded once. */
async function vectorColumn(
  embedder: Embedder,
  column: Vector,
  { signal, onEmbedded }: StepContext,
): Promise<Data<List<Float32>>> {
  const texts = Array.from(column as Iterable<unknown>, (text) => (text === null ? null : String(text)))
  const rowsOf = new Map<string, number>()
  for (const text of texts) if (text !== null) rowsOf.set(text, (rowsOf.get(text) ?? 0) + 1)
  const distinct = [...rowsOf.keys()]
  const onVectors = (part: EmbeddedPart) => onEmbedded(done(part, distinct, rowsOf))
  const vectors = await embedder.embed(distinct, { signal, onVectors })
  const silent = texts.filter((text) => text === null).length
  if (silent > 0) onEmbedded({ rows: silent, computed: 0, cached: 0 })
  return listColumn(texts, new Map(distinct.map((text, i) => [text, vectors[i]!])), embedder.dimension)
}

/** What a part adds to what is done. */
function done({ places, cached }: EmbeddedPart, distinct: readonly string[], rowsOf: ReadonlyMap<string, number>) {
  const rows = places.reduce((sum, place) => sum + rowsOf.get(distinct[place]!)!, 0)
  return { rows, computed: cached ? 0 : places.length, cached: cached ? places.length : 0 }
}

function listColumn(
  texts: readonly (string | null)[],
  vectors: ReadonlyMap<string, Float32Array>,
  dimension: number,
): Data<List<Float32>> {
  const present = texts.filter((text) => text !== null).length
  const values = new Float32Array(present * dimension)
  const valueOffsets = new Int32Array(texts.length + 1)
  const nullBitmap = new Uint8Array((texts.length + 7) >> 3)
  let end = 0
  texts.forEach((text, row) => {
    if (text !== null) {
      values.set(vectors.get(text)!, end)
      end += dimension
      nullBitmap[row >> 3]! |= 1 << (row & 7)
    }
    valueOffsets[row + 1] = end
  })
  const child = makeData({ type: new Float32(), length: values.length, nullCount: 0, data: values })
  return makeData({
    type: vectorType,
    length: texts.length,
    nullCount: texts.length - present,
    nullBitmap,
    valueOffsets,
    child,
  })
}

/** Laws of both parsers: what JSON is, and what a value of a declared type is, held against a reference of its own. */
import { isUtf8 } from 'node:buffer'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { recordTable } from '../../engine/batch/record-table.ts'
import * as o from '../index.ts'
import { type Bench, openBench } from '../relational/bench.testing.ts'
import { criticalStep } from './critical-step.ts'

let bench: Bench
beforeAll(async () => {
  bench = await openBench()
})
afterAll(() => bench.close())

/** Documents to a batch; the number of runs keeps the file quick. */
const batch = { minLength: 20, maxLength: 60 }
const runs = { numRuns: 25 }

const numbers = fc.oneof(
  fc.constantFrom(
    ...['0', '-0', '-0.0', '1.0', '1e2', '1e400', '-1e400', '1e-400', '9007199254740993', '9223372036854775807'],
    ...['9223372036854775808', '-9223372036854775808', '18446744073709551616', '1234567890123456.7891', '0.30005'],
    ...['123456789012345', '999999999999999', '99999999999.9999', '0.1', '1e308', '1.7976931348623159e308', '3.5e38'],
    ...['127', '-128', '128', '00', '01', '-', '+1', '.5', '1.', '1e', 'NaN', '-Infinity', 'inf', '0x1', '1e999999999'],
    ...['2.2250738585072011e-308', `${'1'.repeat(400)}e-390`, '12345678901234567890123456789.5', '1E+2', '1e-2'],
  ),
  fc.double({ noDefaultInfinity: true, noNaN: true }).map((value) => JSON.stringify(value)),
  fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n }).map(String),
)
const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }).map((text) => JSON.stringify(text)),
  fc.constantFrom(
    ...['"77"', '""', '"1874-12-09"', '"2020-02-30"', '"0000-01-01"', '"2020-1-2"', '"\\u0031874-12-09"', '"\\u0000"'],
    ...['"\\ud83d\\ude00"', '"\\ud83d"', '"\\ude00\\ud83d"', '"\\ud83dx"', '"\\uD83D\\u0041"', '"\\x"', '"\t"', "'a'"],
  ),
)
const scalars = fc.oneof(numbers, texts, fc.constantFrom('true', 'false', 'null', 'True', 'nul', '[]', '{}', ''))
const keys = fc.constantFrom('l', 'd', 'm', 's', 'b', 't', 'list', 'in', 'x', 'l\\u0061', '\\u006c', '\\ud800')
const { json } = fc.letrec<{ json: string; object: string; array: string }>((tie) => ({
  json: fc.oneof({ maxDepth: 3 }, { weight: 3, arbitrary: scalars }, tie('object'), tie('array')),
  object: fc
    .array(fc.tuple(keys, tie('json')), { maxLength: 5 })
    .map((fields) => `{${fields.map(([key, value]) => `"${key}":${value}`).join(',')}}`),
  array: fc.array(tie('json'), { maxLength: 4 }).map((items) => `[${items.join(', ')}]`),
}))
const fields = fc
  .uniqueArray(fc.tuple(keys, json), { maxLength: 6, selector: ([key]) => key })
  .map((list) => `{${list.map(([key, value]) => `"${key}" : ${value}`).join(',')}}`)
/** Some with a byte put in, taken out or changed. */
const documents = fc
  .tuple(
    fc.oneof(fields, json),
    fc.option(fc.tuple(fc.nat(), fc.constantFrom(',', '}', '"', '\\', ' ', '\ufeff', '0', 'e', ''))),
  )
  .map(([text, change]) => {
    if (change === null) return Buffer.from(text)
    const at = change[0] % (text.length + 1)
    return Buffer.from(text.slice(0, at) + change[1] + text.slice(at + (change[0] % 2)))
  })

/** JSON by RFC 8259, UTF-8, without half surrogates. */
function isJson(bytes: Buffer): boolean {
  if (!isUtf8(bytes)) return false
  try {
    const text = bytes.toString('utf8')
    if (text.startsWith('\ufeff')) return false
    JSON.parse(text)
    return !hasHalfPair(text)
  } catch {
    return false
  }
}

function hasHalfPair(text: string): boolean {
  return [...text.matchAll(/"(?:[^"\\]|\\.)*"/g)].some(([literal]) => !(JSON.parse(literal) as string).isWellFormed())
}

const refusals = new Set(['NOT_JSON', 'TRUNCATED', 'EMPTY', 'TOO_DEEP', 'INVALID_UTF8'])

function rowsOf(values: readonly Buffer[]) {
  return {
    columns: { offset: 'long', value: 'binary' } as const,
    rows: values.map((value, i) => [i, value]),
  }
}

test('parseCritical and parse take the same documents for JSON: those of RFC 8259 in UTF-8', async () => {
  const critical = criticalStep(o.parseCritical('c', { l: o.text('$.none', { optional: true }) }))
  const typed = o.parse('p', { from: 'value', keep: ['offset'], columns: { none: 'string' } })
  await fc.assert(
    fc.asyncProperty(fc.array(documents, batch), async (values) => {
      const place = { topic: 't', partition: 0, timestampMicros: 0n, key: null }
      const table = recordTable(values.map((value, i) => ({ ...place, offset: BigInt(i), value })))
      const { rejected } = await critical.process(table)
      const codes = new Map(rejected?.rows.map((row, i) => [row, [rejected.codes[i], rejected.messages[i]]]))
      const ran = await bench.run([typed], rowsOf(values))
      const silver = new Map(
        (await ran.output('p.rejected')).map((row) => [Number(row.offset), [row.code, row.message]]),
      )
      values.forEach((value, i) => {
        const reference = isJson(value)
        for (const cause of [codes.get(i), silver.get(i)])
          expect([value.toString(), refusals.has(String(cause?.[0]))]).toEqual([value.toString(), !reference])
        if (!reference) expect(silver.get(i)).toEqual(codes.get(i))
      })
    }),
    runs,
  )
})

test('a document is judged by its own bytes, whatever stands before it', async () => {
  const critical = criticalStep(o.parseCritical('c', { l: o.text('$.none', { optional: true }) }))
  const values = [Buffer.from('tru,'), Buffer.from('}true'), Buffer.from('[1, '), Buffer.from(' ]')]
  const messages = async (records: readonly Buffer[]) => {
    const place = { topic: 't', partition: 0, timestampMicros: 0n, key: null }
    const table = recordTable(records.map((value, i) => ({ ...place, offset: BigInt(i), value })))
    return (await critical.process(table)).rejected?.messages
  }
  const alone = await Promise.all(values.map(async (value) => (await messages([value]))?.[0]))
  expect(await messages(values)).toEqual(alone)
})

const types = { l: 'long', d: 'double', m: 'decimal', s: 'string', b: 'boolean', t: 'date' } as const
const decimal = { kind: 'decimal', precision: 20, scale: 4 } as const
const columns = { l: 'long', d: 'double', m: decimal, s: 'string', b: 'boolean', t: o.date() } as const

/** The value as DuckDB gives it, or undefined where it is not as declared. */
function reference(type: keyof typeof types, token: string): unknown {
  if (token === 'null') return null
  const kind =
    token[0] === '"'
      ? 'text'
      : /^[-\d]/.test(token)
        ? 'number'
        : token === 'true' || token === 'false'
          ? 'boolean'
          : 'other'
  if (types[type] === 'boolean') return kind === 'boolean' ? token === 'true' : undefined
  if (types[type] === 'string') return kind === 'text' ? JSON.parse(token) : undefined
  if (types[type] === 'date') return kind === 'text' ? dateOf(JSON.parse(token) as string) : undefined
  if (kind !== 'number') return undefined
  if (types[type] === 'double') return Number.isFinite(Number(token)) ? Number(token) + 0 : undefined // zero has no sign
  if (types[type] === 'long')
    return /^-?\d+$/.test(token) && BigInt.asIntN(64, BigInt(token)) === BigInt(token) ? BigInt(token) : undefined
  return decimalOf(token)
}

function dateOf(text: string): unknown {
  if (text === '') return null
  const date = new Date(`${text}T00:00:00Z`)
  const isDate = /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text)
  return isDate && date.getUTCFullYear() > 0 ? date : undefined
}

/** Units of the last place, by integers alone. */
function decimalOf(token: string): unknown {
  const [, sign, whole, fraction = '', exponent = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(token)!
  const shift = Number(exponent) - fraction.length + decimal.scale
  const digits = BigInt(whole! + fraction)
  if (digits === 0n) return 0n
  if (Math.abs(shift) > 1000) return undefined
  const scaled = shift >= 0 ? digits * 10n ** BigInt(shift) : digits / 10n ** BigInt(-shift)
  if (shift < 0 && digits % 10n ** BigInt(-shift) !== 0n) return undefined
  return scaled < 10n ** BigInt(decimal.precision) ? (sign === '-' ? -scaled : scaled) : undefined
}

test('a value is read exactly as a reference reads it, or its document is rejected, at every depth alike', async () => {
  const shape = o.structOf(columns)
  const step = o.parse('p', {
    from: 'value',
    keep: ['offset'],
    columns: { ...columns, in: o.structOf({ in: shape }), list: o.arrayOf(o.arrayOf(shape)) },
  })
  const units = (of: (name: string) => ReturnType<typeof o.col>) =>
    o.cast(o.cast(of('m'), { kind: 'decimal', precision: 24, scale: 4 }), 'string')
  const rendered = o.select('r', {
    ...o.cols('offset', 'l', 'd', 's', 'b', 't'),
    m: units((name) => o.col(name)),
    deep: o.struct({ ...parts('in.in'), m: units((name) => o.col(`in.in.${name}`)) }),
    listed: o.mapList(o.flattenList(o.col('list')), (x) =>
      o.struct({
        ...Object.fromEntries(['l', 'd', 's', 'b', 't'].map((name) => [name, o.field(x, name)])),
        m: units((name) => o.field(x, name)),
      }),
    ),
  })
  const valid = scalars.filter((token) => token !== '' && isJson(Buffer.from(token)))
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom(...(Object.keys(types) as (keyof typeof types)[])), valid), batch),
      async (cases) => {
        const value = ([type, token]: (typeof cases)[number]) => `{"x":{},"${type}": ${token} }`
        const texts = cases.flatMap((one) => [
          value(one),
          `{"in":{"in":${value(one)}}}`,
          `{"list":[[],[${value(one)}]]}`,
        ])
        const ran = await bench.run([step, rendered], rowsOf(texts.map((text) => Buffer.from(text))))
        const rows = new Map(ran.rows.map((row) => [Number(row.offset), row]))
        cases.forEach(([type, token], i) => {
          const wanted = reference(type, token)
          const places = [
            rows.get(3 * i),
            rows.get(3 * i + 1)?.deep,
            (rows.get(3 * i + 2)?.listed as unknown[] | undefined)?.[0],
          ]
          for (const place of places as (Record<string, unknown> | undefined)[]) {
            const found = place === undefined ? undefined : place[type]
            expect([
              type,
              token,
              type === 'm' && typeof found === 'string' ? BigInt(found.replace('.', '')) : found,
            ]).toEqual([type, token, wanted])
          }
        })
      },
    ),
    runs,
  )
})

function parts(path: string) {
  return Object.fromEntries(['l', 'd', 's', 'b', 't'].map((name) => [name, o.col(`${path}.${name}`)]))
}

/** Values that partitions are tested with: by type, as SQL that makes them. */
import fc from 'fast-check'
import { duckdbType } from '../../../engine/batch/duckdb-types.ts'
import { literal } from '../../../engine/duckdb.ts'
import type { DataType } from '../../../engine/schema.ts'

const oddTexts = [
  '',
  ' ',
  '.',
  '..',
  '/',
  '/%20%f',
  'a=b',
  '__HIVE_DEFAULT_PARTITION__',
  'null',
  "it's",
  'a"b\\c',
  'tab\tnew\nline',
  'nul\0inside',
  '日本語 ж🎬',
  'x'.repeat(300),
  'ж'.repeat(200),
  '*?[a]{b}^#:',
  'trailing ',
  '\u007f\u0001',
]

const texts = fc.oneof(fc.constantFrom(...oddTexts), fc.string({ unit: 'binary', maxLength: 12 }))
const days = fc.constantFrom(
  '0001-01-01',
  '1582-10-04',
  '1582-10-15',
  '1899-12-31',
  '1970-01-01',
  '2026-02-28',
  '9999-12-31',
)
const times = fc
  .tuple(days, fc.constantFrom('00:00:00', '23:59:59.999999', '12:34:56.000001', '01:02:03.5'))
  .map(([day, time]) => `${day} ${time}`)
const whole = (bits: number) => fc.bigInt({ min: -(2n ** BigInt(bits - 1)), max: 2n ** BigInt(bits - 1) - 1n })
const numbers = fc.oneof(
  fc.constantFrom('NaN', 'Infinity', '-Infinity', '-0.0', '0', '1e16', '5e-324', '1.7976931348623157e308', '0.1'),
  fc.double({ noNaN: true }).map(String),
)
const floats = fc.oneof(
  fc.constantFrom('NaN', 'Infinity', '-Infinity', '-0.0', '0', '1e16', '3.4028235e38', '0.1'),
  fc.float({ noNaN: true }).map(String),
)
const decimals = fc.tuple(whole(60), fc.nat(99)).map(([a, b]) => `${a}.${String(b).padStart(2, '0')}`)

const valuesByType: readonly (readonly [DataType, fc.Arbitrary<string | bigint | boolean>])[] = [
  ['string', texts],
  ['long', whole(64)],
  ['integer', whole(32)],
  ['short', whole(16)],
  ['byte', whole(8)],
  ['double', numbers],
  ['float', floats],
  ['boolean', fc.boolean()],
  ['date', days],
  ['timestamp', times.map((time) => `${time}+00`)],
  ['timestamp_ntz', times],
  [{ kind: 'decimal', precision: 38, scale: 2 }, decimals],
  [{ kind: 'decimal', precision: 9, scale: 0 }, fc.integer({ min: -999_999_999, max: 999_999_999 }).map(String)],
]

/** Columns that a table may be partitioned by: a type, and values of it as SQL, null among them. */
export const partitionColumns: fc.Arbitrary<{ readonly type: DataType; readonly values: readonly string[] }> = fc.oneof(
  ...valuesByType.map(([type, value]) =>
    fc.record({
      type: fc.constant(type),
      values: fc.array(
        fc.option(value).map((each) => `CAST(${literal(each)} AS ${duckdbType(type)})`),
        {
          minLength: 1,
          maxLength: 12,
        },
      ),
    }),
  ),
  fc.record({
    type: fc.constant<DataType>('binary'),
    values: fc.array(
      texts.map((each) => `encode(${literal(each)})`),
      { minLength: 1, maxLength: 12 },
    ),
  }),
)

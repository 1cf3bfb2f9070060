/** Which types every function takes, and which it gives. */
import { type DataType, formatType, type PrimitiveType, sameType } from '../../engine/schema.ts'
import type { FunctionName } from './tree.ts'

type MaybeType = DataType | null
type Problem = (line: string) => void

const integers: readonly PrimitiveType[] = ['byte', 'short', 'integer', 'long']
const printable: readonly PrimitiveType[] = ['string', 'boolean', 'date', ...integers]
const times: readonly PrimitiveType[] = ['timestamp', 'timestamp_ntz']

/** The type that a call gives; what it does not take is reported. A null type fits everywhere. */
export function resultType(name: FunctionName, args: readonly MaybeType[], problem: Problem): MaybeType {
  switch (name) {
    case 'eq':
    case 'ne':
    case 'lt':
    case 'le':
    case 'gt':
    case 'ge':
    case 'is-distinct':
      common(name, args, problem)
      return 'boolean'
    case 'and':
    case 'or':
    case 'not':
    case 'in-place':
    case 'judged':
    case 'noted':
      return all(name, args, ['boolean'], problem, 'boolean')
    case 'is-null':
      return 'boolean'
    case 'coalesce':
      return common(name, args, problem)
    case 'null-if':
      common(name, args, problem)
      return args[0] ?? null
    case 'add':
    case 'subtract':
    case 'multiply':
    case 'modulo':
      all(name, args, [...integers, 'float', 'double'], problem, null)
      return common(name, args, problem)
    case 'divide':
      return all(name, args, [...integers, 'float', 'double'], problem, 'double')
    case 'concat':
    case 'lower':
    case 'upper':
    case 'trim':
      return all(name, args, ['string'], problem, 'string')
    case 'matches':
      return all(name, args, ['string'], problem, 'boolean')
    case 'length':
      return all(name, args, ['string'], problem, 'long')
    case 'substring':
      return all(name, args.slice(0, 1), ['string'], problem, 'string')
    case 'to-text':
    case 'hash-text':
      return all(name, args, printable, problem, 'string')
    case 'date-of':
      return all(name, args, times, problem, 'date')
    case 'year-of':
      return all(name, args, ['date', ...times], problem, 'long')
    case 'epoch-micros':
      return all(name, args, times, problem, 'long')
    default:
      return listType(name, args, problem)
  }
}

function listType(name: FunctionName, args: readonly MaybeType[], problem: Problem): MaybeType {
  if (name === 'list') {
    const element = common(name, args, problem)
    return element === null ? null : { kind: 'array', element }
  }
  if (name === 'list-concat')
    return common(
      name,
      args.filter((arg) => element(name, arg, problem) !== undefined),
      problem,
    )
  const inner = element(name, args[0] ?? null, problem)
  switch (name) {
    case 'list-flatten':
      if (inner) element(name, inner, problem)
      return inner ?? null
    case 'list-join':
      if (inner && inner !== 'string') problem(`list-join joins ${formatType(inner)}, not string (use toText first)`)
      return 'string'
    case 'list-length':
      return 'long'
    case 'list-contains':
      common(name, [inner ?? null, args[1] ?? null], problem)
      return 'boolean'
    case 'list-get':
      return inner ?? null
    default:
      return args[0] ?? null // sorted, distinct
  }
}

/** The element type of a list; undefined, reported, for what is none; null for an unknown one. */
function element(name: FunctionName, type: MaybeType, problem: Problem): MaybeType | undefined {
  if (type === null) return null
  if (typeof type !== 'string' && type.kind === 'array') return type.element
  problem(`${name} takes a list, not ${formatType(type)}`)
  return undefined
}

function all(
  name: FunctionName,
  args: readonly MaybeType[],
  allowed: readonly PrimitiveType[],
  problem: Problem,
  result: MaybeType,
): MaybeType {
  for (const arg of args)
    if (arg !== null && !allowed.some((type) => type === arg))
      problem(`${name} takes ${allowed.join(', ')}, not ${formatType(arg)} (cast it)`)
  return result
}

/** The one type that holds all, numbers widening; reported if there is none. */
function common(name: FunctionName, types: readonly MaybeType[], problem: Problem): MaybeType {
  let result: MaybeType = null
  for (const type of types) {
    const both: MaybeType | undefined = result === null || type === null ? (result ?? type) : wider(result, type)
    if (both === undefined) {
      problem(`${name} mixes ${formatType(result!)} and ${formatType(type!)} (cast one of them)`)
      return result
    }
    result = both
  }
  return result
}

/** The wider of two types, if values of the other convert to it without loss of meaning. */
export function wider(left: DataType, right: DataType): DataType | undefined {
  if (sameType(left, right)) return left
  const order: readonly DataType[] = [...integers, 'float', 'double']
  const [a, b] = [order.indexOf(left), order.indexOf(right)]
  return a < 0 || b < 0 ? undefined : order[Math.max(a, b)]
}

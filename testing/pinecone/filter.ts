/** Metadata filters as Pinecone has them: `$eq $ne $gt $gte $lt $lte $in $nin $exists $and $or`. Pure. */

/** Flat values: what Pinecone keeps beside a vector. */
export type Metadata = Readonly<Record<string, string | number | boolean | readonly string[]>>

/** A filter as it comes in a request. */
export type Filter = Readonly<Record<string, unknown>>

/** Thrown for a filter that Pinecone would not take. */
export class FilterError extends Error {}

type Values = readonly unknown[]

interface Operator {
  /** What it is compared with. */
  readonly operand: 'value' | 'number' | 'list' | 'boolean'
  /** `values`: of the field; of a list its elements, of a field that is not there none. */
  holds(values: Values, operand: unknown, exists: boolean): boolean
}

const operators: Readonly<Record<string, Operator>> = {
  $eq: { operand: 'value', holds: (values, operand) => values.includes(operand) },
  $ne: { operand: 'value', holds: (values, operand) => !values.includes(operand) },
  $in: { operand: 'list', holds: (values, operand) => values.some((each) => (operand as Values).includes(each)) },
  $nin: { operand: 'list', holds: (values, operand) => !values.some((each) => (operand as Values).includes(each)) },
  $exists: { operand: 'boolean', holds: (_, operand, exists) => exists === operand },
  $gt: { operand: 'number', holds: (values, operand) => numbers(values).some((each) => each > (operand as number)) },
  $gte: { operand: 'number', holds: (values, operand) => numbers(values).some((each) => each >= (operand as number)) },
  $lt: { operand: 'number', holds: (values, operand) => numbers(values).some((each) => each < (operand as number)) },
  $lte: { operand: 'number', holds: (values, operand) => numbers(values).some((each) => each <= (operand as number)) },
}

function numbers(values: Values): number[] {
  return values.filter((each) => typeof each === 'number')
}

/** Throws {@link FilterError} for one that cannot be evaluated, whatever it is evaluated on. */
export function checkFilter(filter: Filter): void {
  if (typeof filter !== 'object' || filter === null || Array.isArray(filter))
    throw new FilterError('a filter must be an object')
  for (const [field, condition] of Object.entries(filter)) {
    if (field === '$and' || field === '$or') {
      if (!Array.isArray(condition) || condition.length === 0) throw new FilterError(`${field} takes a list of filters`)
      for (const each of condition) checkFilter(each as Filter)
    } else if (field.startsWith('$')) throw new FilterError(`${field} is not a valid operator`)
    else checkCondition(field, condition)
  }
}

function checkCondition(field: string, condition: unknown): void {
  if (isScalar(condition)) return
  if (
    typeof condition !== 'object' ||
    condition === null ||
    Array.isArray(condition) ||
    Object.keys(condition).length === 0
  )
    throw new FilterError(`field '${field}' needs a value or operators`)
  for (const [name, operand] of Object.entries(condition)) {
    const operator = operators[name]
    if (operator === undefined) throw new FilterError(`${name} is not a valid operator`)
    const good = {
      value: isScalar(operand),
      number: typeof operand === 'number',
      list: Array.isArray(operand) && operand.length > 0 && operand.every(isScalar),
      boolean: typeof operand === 'boolean',
    }[operator.operand]
    if (!good) throw new FilterError(`the ${name} operator of field '${field}' takes a ${operator.operand}`)
  }
}

function isScalar(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}

/** Whether metadata keeps to a filter that was checked. A list matches if one of its elements does. */
export function matches(metadata: Metadata, filter: Filter): boolean {
  return Object.entries(filter).every(([field, condition]) => {
    if (field === '$and') return (condition as Filter[]).every((each) => matches(metadata, each))
    if (field === '$or') return (condition as Filter[]).some((each) => matches(metadata, each))
    const value = metadata[field]
    const values = value === undefined ? [] : Array.isArray(value) ? (value as Values) : [value]
    const conditions = isScalar(condition) ? { $eq: condition } : (condition as object)
    return Object.entries(conditions).every(([name, operand]) =>
      operators[name]!.holds(values, operand, value !== undefined),
    )
  })
}

/** Metadata filters as Pinecone has them: `$eq $ne $gt $gte $lt $lte $in $nin $exists $and $or`. */

/** Flat values: what Pinecone keeps beside a vector. */
export type Metadata = Readonly<Record<string, string | number | boolean | readonly string[]>>

/** A filter as it comes in a request. */
export type Filter = Readonly<Record<string, unknown>>

/** Thrown for a filter that Pinecone would not take. */
export class FilterError extends Error {}

/** Whether metadata keeps to a filter. A list matches if one of its elements does. */
export function matches(metadata: Metadata, filter: Filter): boolean {
  return Object.entries(filter).every(([field, condition]) => {
    if (field === '$and') return filters(condition).every((each) => matches(metadata, each))
    if (field === '$or') return filters(condition).some((each) => matches(metadata, each))
    if (field.startsWith('$')) throw new FilterError(`unknown operator ${field}`)
    const value = metadata[field]
    if (typeof condition !== 'object' || condition === null) return holds(value, '$eq', condition)
    return Object.entries(condition).every(([operator, operand]) => holds(value, operator, operand))
  })
}

function filters(value: unknown): Filter[] {
  if (!Array.isArray(value) || value.length === 0) throw new FilterError('$and and $or take lists of filters')
  return value as Filter[]
}

function holds(value: Metadata[string] | undefined, operator: string, operand: unknown): boolean {
  const values = value === undefined ? [] : Array.isArray(value) ? (value as readonly unknown[]) : [value]
  const listed = Array.isArray(operand) ? (operand as readonly unknown[]) : []
  switch (operator) {
    case '$eq':
      return values.includes(operand)
    case '$ne':
      return !values.includes(operand)
    case '$in':
      return values.some((each) => listed.includes(each))
    case '$nin':
      return !values.some((each) => listed.includes(each))
    case '$exists':
      return (value !== undefined) === operand
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      if (typeof operand !== 'number') throw new FilterError(`${operator} takes a number`)
      return values.some((each) => typeof each === 'number' && compares(each, operator, operand))
    default:
      throw new FilterError(`unknown operator ${operator}`)
  }
}

function compares(value: number, operator: '$gt' | '$gte' | '$lt' | '$lte', operand: number): boolean {
  if (operator === '$gt') return value > operand
  if (operator === '$gte') return value >= operand
  return operator === '$lt' ? value < operand : value <= operand
}

/** What options must look like: declared once for each description and step, and checked in one place. Pure. */
import { closestFirst } from './closest.ts'
import { plainCopy } from './plain-data.ts'

/** Called once for each fault: where it is (empty for the whole), and what must be there. */
export type Report = (at: string, line: string) => void

/** What a value must be. */
export interface Shape {
  /** Completes `must be`: `a text`, `true or false`. */
  readonly what: string
  /** Whether an object may lack it. */
  readonly optional?: boolean
  /** Reports every fault of plain data; of a value that is something else altogether, that alone. */
  check(value: unknown, at: string, report: Report): void
}

/** Options as a plain copy; or what is wrong with them, one line for each fault. */
export type Examined<T> =
  | { readonly value: T; readonly problems?: undefined }
  | { readonly value?: undefined; readonly problems: readonly string[] }

/**
 * Holds what an author gave, whatever it is, against its shape. Never throws.
 * @param name goes before every line: `kafka`
 */
export function examine<T>(given: T, shape: Shape, name = ''): Examined<T> {
  const problems: string[] = []
  const report: Report = (at, line) => problems.push([name, at, line].filter((part) => part !== '').join(': '))
  const copy = plainCopy(given)
  if ('problem' in copy) report('', copy.problem)
  else shape.check(copy.value, '', report)
  return problems.length === 0 ? { value: (copy as { value: T }).value } : { problems }
}

/** A shape that is one test. */
export function shapeOf(what: string, holds: (value: unknown) => boolean): Shape {
  return {
    what,
    check: (value, at, report) => {
      if (!holds(value)) report(at, mustBe(what, value))
    },
  }
}

/** What an object may lack; then it is undefined. */
export function optional(shape: Shape): Shape {
  return {
    what: shape.what,
    optional: true,
    check: (value, at, report) => {
      if (value !== undefined) shape.check(value, at, report)
    },
  }
}

/** A text that is not empty. */
export const text = textThat('a text', () => true)

/** A text that keeps a rule, which `what` names. */
export function textThat(what: string, holds: (text: string) => boolean): Shape {
  return shapeOf(what, (value) => typeof value === 'string' && value !== '' && value.isWellFormed() && holds(value))
}

/** True or false. */
export const flag = shapeOf('true or false', (value) => typeof value === 'boolean')

/** A whole number from `least`. */
export function wholeFrom(least: number): Shape {
  return shapeOf(`a whole number from ${least}`, (value) => Number.isSafeInteger(value) && (value as number) >= least)
}

/** One of these texts, those first that are most like what was given. */
export function oneOfTexts(...texts: readonly string[]): Shape {
  return {
    what: alternatives(texts),
    check: (value, at, report) => {
      if (typeof value === 'string' && !texts.includes(value))
        report(at, mustBe(alternatives(closestFirst(value.slice(0, longestName), texts)), value))
      else if (typeof value !== 'string') report(at, mustBe(alternatives(texts), value))
    },
  }
}

/** A list whose items have a shape; at least so many of them. */
export function listOf(item: Shape, least = 0): Shape {
  const what = least === 0 ? 'a list' : `a list of at least ${least}`
  return {
    what,
    check: (value, at, report) => {
      if (!Array.isArray(value) || value.length < least) return report(at, mustBe(what, value))
      for (const [i, each] of value.entries()) item.check(each, `${at}[${i}]`, report)
    },
  }
}

/** An object with any names, whose values have a shape. */
export function mapOf(item: Shape, least = 0): Shape {
  const what = least === 0 ? 'an object by name' : `an object with at least ${least} name`
  return {
    what,
    check: (value, at, report) => {
      if (!isObject(value) || Object.keys(value).length < least) return report(at, mustBe(what, value))
      for (const [name, each] of Object.entries(value))
        if (name === '__proto__' || !name.isWellFormed()) report(inside(at, name), 'is no name (choose another)')
        else item.check(each, inside(at, name), report)
    },
  }
}

/** An object with these names and no others. */
export function objectOf(fields: { readonly [name: string]: Shape }): Shape {
  return objectWith(fields, (name, at, report) => report(inside(at, name), `is unknown (${namesLike(name, fields)})`))
}

/** An object with these names, and maybe others that hold plain data. */
export function openObjectOf(fields: { readonly [name: string]: Shape }): Shape {
  return objectWith(fields, (name, at, report, value) => json.check(value, inside(at, name), report))
}

function objectWith(
  fields: { readonly [name: string]: Shape },
  other: (name: string, at: string, report: Report, value: unknown) => void,
): Shape {
  const what = `an object with ${Object.keys(fields).join(', ')}`
  return {
    what,
    check: (value, at, report) => {
      if (!isObject(value)) return report(at, mustBe(what, value))
      for (const [name, field] of Object.entries(fields)) {
        const given = Object.hasOwn(value, name) ? value[name] : undefined
        if (given !== undefined) field.check(given, inside(at, name), report)
        else if (field.optional !== true) report(inside(at, name), mustBe(field.what, given))
      }
      for (const [name, given] of Object.entries(value))
        if (!Object.hasOwn(fields, name)) other(name, at, report, given)
    },
  }
}

/** The first of the shapes for which the test is true; if none is, it is none of them. */
export function choiceOf(
  what: string,
  choices: readonly { readonly is: (value: unknown) => boolean; readonly shape: Shape }[],
): Shape {
  return {
    what,
    check: (value, at, report) => {
      const chosen = choices.find(({ is }) => is(value))
      if (chosen === undefined) report(at, mustBe(what, value))
      else chosen.shape.check(value, at, report)
    },
  }
}

/** The shape, whose faults are one: that it is not `what`. */
export function described(what: string, shape: Shape): Shape {
  return {
    what,
    check: (value, at, report) => {
      let faults = 0
      shape.check(value, at, () => {
        faults += 1
      })
      if (faults > 0) report(at, mustBe(what, value))
    },
  }
}

/** A shape that holds itself, such as a tree's. */
export function lazy(what: string, shape: () => Shape): Shape {
  return { what, check: (value, at, report) => shape().check(value, at, report) }
}

/** Whatever can be written as JSON, and undefined as a property. */
export const json: Shape = lazy('plain data (as JSON has it)', () => jsonValue)

const jsonValue = choiceOf('plain data (as JSON has it)', [
  { is: (value) => value === null || ['string', 'boolean', 'undefined'].includes(typeof value), shape: anything() },
  { is: (value) => Number.isFinite(value), shape: anything() },
  { is: (value) => Array.isArray(value), shape: listOf(json) },
  { is: isObject, shape: mapOf(json) },
])

function anything(): Shape {
  return { what: 'anything', check: () => {} }
}

/** An object that is no list. */
export function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** `must be a text, not 7`. */
export function mustBe(what: string, value: unknown): string {
  return value === undefined ? `is missing (it must be ${what})` : `must be ${what}, not ${shown(value)}`
}

/** Longer names are compared, and shown, by their beginnings. */
const longestName = 60

/** A value in a message: short, and whatever it is. */
export function shown(value: unknown): string {
  if (value === undefined) return 'nothing'
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'symbol' || typeof value === 'bigint' || typeof value === 'number') return String(value)
  const copy = plainCopy(value)
  const written = 'value' in copy ? jsonOf(copy.value) : null
  if (written === null) return 'something that is no plain data'
  return written.length <= longestName ? written : `${written.slice(0, longestName - 1).toWellFormed()}…`
}

function jsonOf(value: unknown): string | null {
  try {
    return JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part)) ?? null
  } catch {
    return null // it has a toJSON that throws: whatever it is, it is no plain data
  }
}

function alternatives(texts: readonly string[]): string {
  return texts.length === 1 ? texts[0]! : `${texts.slice(0, -1).join(', ')} or ${texts.at(-1)}`
}

function namesLike(name: string, fields: object): string {
  const names = closestFirst(name.slice(0, longestName), Object.keys(fields))
  return names.length === 0 ? 'nothing can be given' : `there are: ${names.join(', ')}`
}

function shownName(name: string): string {
  return /^[\w$-]+$/.test(name) && name.length <= longestName ? name : shown(name)
}

function inside(at: string, name: string): string {
  return at === '' ? shownName(name) : `${at}.${shownName(name)}`
}

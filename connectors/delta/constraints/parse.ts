/** From the text of a constraint to its tree: the grammar of Spark SQL, as far as {@link Expression} goes. Pure. */
import { type Token, tokenize, Untranslatable } from './tokens.ts'

export type Comparison = '=' | '<>' | '<' | '<=' | '>' | '>=' | '<=>'
export type Arithmetic = '+' | '-' | '*' | '/' | '%'

/** What a constraint may be made of. */
export type Expression =
  | { readonly kind: 'column'; readonly path: readonly string[] }
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'date'; readonly text: string }
  | { readonly kind: 'constant'; readonly value: boolean | null }
  | { readonly kind: 'compare'; readonly operator: Comparison; readonly left: Expression; readonly right: Expression }
  | {
      readonly kind: 'arithmetic'
      readonly operator: Arithmetic
      readonly left: Expression
      readonly right: Expression
    }
  | { readonly kind: 'negative'; readonly of: Expression }
  | { readonly kind: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'not'; readonly of: Expression }
  | { readonly kind: 'is-null'; readonly of: Expression }
  | { readonly kind: 'in'; readonly of: Expression; readonly among: readonly Expression[] }
  | { readonly kind: 'between'; readonly of: Expression; readonly low: Expression; readonly high: Expression }
  | { readonly kind: 'like'; readonly of: Expression; readonly pattern: string }
  | { readonly kind: 'call'; readonly name: string; readonly of: readonly Expression[] }

/** The tree of an expression. {@link Untranslatable} naming the first thing that we know no meaning of. */
export function parseExpression(text: string): Expression {
  const all = tokenize(text)
  refuseDeep(all)
  const tokens = reader(all)
  const tree = disjunction(tokens)
  if (tokens.peek() !== undefined) throw unexpected(tokens)
  return tree
}

const deepest = 100

/** Every level takes stack. */
function refuseDeep(tokens: readonly Token[]): void {
  let [depth, most] = [0, 0]
  for (const token of tokens) {
    if (token.kind !== 'sign') continue
    if (token.text === '(') depth += 1
    if (token.text === ')') depth -= 1
    most = Math.max(most, depth)
  }
  if (most > deepest) throw new Untranslatable(`more than ${deepest} brackets within each other`)
}

interface Tokens {
  peek(ahead?: number): Token | undefined
  /** Takes the next token if it is that sign, or that keyword. */
  take(...texts: readonly string[]): string | null
  next(): Token | undefined
}

function reader(tokens: readonly Token[]): Tokens {
  let at = 0
  return {
    peek: (ahead = 0) => tokens[at + ahead],
    next: () => tokens[at++],
    take(...texts) {
      const found = wordOf(tokens[at])
      if (found === null || !texts.includes(found)) return null
      at += 1
      return found
    },
  }
}

/** A sign, or a keyword in capitals. */
function wordOf(token: Token | undefined): string | null {
  if (token?.kind === 'sign') return token.text
  return token?.kind === 'word' && !token.quoted ? token.text.toUpperCase() : null
}

function disjunction(tokens: Tokens): Expression {
  let left = conjunction(tokens)
  while (tokens.take('OR') !== null) left = { kind: 'or', left, right: conjunction(tokens) }
  return left
}

function conjunction(tokens: Tokens): Expression {
  let left = negation(tokens)
  while (tokens.take('AND') !== null) left = { kind: 'and', left, right: negation(tokens) }
  return left
}

function negation(tokens: Tokens): Expression {
  if (tokens.take('NOT', '!') !== null) return { kind: 'not', of: negation(tokens) }
  return predicate(tokens)
}

const comparisons: Readonly<Record<string, Comparison>> = {
  '=': '=',
  '==': '=',
  '<>': '<>',
  '!=': '<>',
  '<': '<',
  '<=': '<=',
  '>': '>',
  '>=': '>=',
  '<=>': '<=>',
}

function predicate(tokens: Tokens): Expression {
  const of = sum(tokens)
  const comparison = tokens.take(...Object.keys(comparisons))
  if (comparison !== null) return { kind: 'compare', operator: comparisons[comparison]!, left: of, right: sum(tokens) }
  if (tokens.take('IS') !== null) {
    const negated = tokens.take('NOT') !== null
    expect(tokens, 'NULL')
    return negatedIf(negated, { kind: 'is-null', of })
  }
  const negated = tokens.take('NOT') !== null
  if (tokens.take('IN') !== null) return negatedIf(negated, { kind: 'in', of, among: list(tokens) })
  if (tokens.take('BETWEEN') !== null) {
    const low = sum(tokens)
    expect(tokens, 'AND')
    return negatedIf(negated, { kind: 'between', of, low, high: sum(tokens) })
  }
  if (tokens.take('LIKE') !== null) {
    const pattern = tokens.next()
    if (pattern?.kind !== 'text') throw new Untranslatable('LIKE with anything but a text')
    return negatedIf(negated, { kind: 'like', of, pattern: pattern.text })
  }
  if (negated) throw unexpected(tokens)
  return of
}

function negatedIf(negated: boolean, of: Expression): Expression {
  return negated ? { kind: 'not', of } : of
}

function sum(tokens: Tokens): Expression {
  let left = product(tokens)
  for (let sign = tokens.take('+', '-'); sign !== null; sign = tokens.take('+', '-'))
    left = { kind: 'arithmetic', operator: sign as Arithmetic, left, right: product(tokens) }
  return left
}

function product(tokens: Tokens): Expression {
  let left = signed(tokens)
  for (let sign = tokens.take('*', '/', '%'); sign !== null; sign = tokens.take('*', '/', '%'))
    left = { kind: 'arithmetic', operator: sign as Arithmetic, left, right: signed(tokens) }
  return left
}

function signed(tokens: Tokens): Expression {
  if (tokens.take('-') !== null) {
    const number = tokens.peek()
    if (number?.kind !== 'number') return { kind: 'negative', of: signed(tokens) }
    tokens.next()
    return { kind: 'number', text: `-${number.text}` }
  }
  return primary(tokens)
}

function primary(tokens: Tokens): Expression {
  if (tokens.take('(') !== null) {
    const inner = disjunction(tokens)
    expect(tokens, ')')
    return inner
  }
  const token = tokens.peek()
  if (token === undefined || token.kind === 'sign') throw unexpected(tokens)
  tokens.next()
  if (token.kind !== 'word') return { kind: token.kind, text: token.text }
  return token.quoted ? column(tokens, token.text) : word(tokens, token.text)
}

const constants: Readonly<Record<string, boolean | null>> = { TRUE: true, FALSE: false, NULL: null }
const keywords: ReadonlySet<string> = new Set(['AND', 'OR', 'NOT', 'IN', 'IS', 'LIKE', 'BETWEEN', 'CASE', 'INTERVAL'])

function word(tokens: Tokens, text: string): Expression {
  const upper = text.toUpperCase()
  if (Object.hasOwn(constants, upper)) return { kind: 'constant', value: constants[upper]! }
  if (keywords.has(upper)) throw new Untranslatable(upper)
  const next = tokens.peek()
  if (next?.kind === 'text' && upper === 'DATE') {
    tokens.next()
    return { kind: 'date', text: next.text }
  }
  if (wordOf(next) === '(') return { kind: 'call', name: text.toLowerCase(), of: list(tokens) }
  return column(tokens, text)
}

function column(tokens: Tokens, first: string): Expression {
  const path = [first]
  while (tokens.take('.') !== null) {
    const field = tokens.next()
    if (field?.kind !== 'word') throw new Untranslatable('a point without a name behind it')
    path.push(field.text)
  }
  return { kind: 'column', path }
}

/** One or more expressions in parentheses. */
function list(tokens: Tokens): Expression[] {
  expect(tokens, '(')
  const found = [disjunction(tokens)]
  while (tokens.take(',') !== null) found.push(disjunction(tokens))
  expect(tokens, ')')
  return found
}

function expect(tokens: Tokens, text: string): void {
  if (tokens.take(text) === null) throw unexpected(tokens)
}

function unexpected(tokens: Tokens): Untranslatable {
  return new Untranslatable(JSON.stringify(tokens.peek()?.text ?? 'the end'))
}

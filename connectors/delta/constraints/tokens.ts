/** Spark SQL expressions cut into tokens: as much of the language as constraints are evaluated in. Pure. */

export type Token =
  /** A word that may be a keyword or a name; `quoted` is always a name. */
  | { readonly kind: 'word'; readonly text: string; readonly quoted: boolean }
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'sign'; readonly text: string }

/** An expression, or a part of one, whose meaning we do not know for certain. */
export class Untranslatable extends Error {}

/** A name that stands for no column, or for several. */
export class UnknownName extends Untranslatable {
  readonly path: string
  constructor(path: string) {
    super(`the name ${path}`)
    this.path = path
  }
}

const patterns: readonly (readonly [RegExp, (match: RegExpExecArray) => Token])[] = [
  [/`((?:[^`]|``)+)`/y, ([, text]) => ({ kind: 'word', text: text!.replaceAll('``', '`'), quoted: true })],
  // a backslash, and a quote that is doubled, mean one thing or another by the settings of the session
  [/'([^'\\]*)'(?!\s*')/y, ([, text]) => ({ kind: 'text', text: text! })],
  [/(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])/y, ([text]) => ({ kind: 'number', text })],
  [/[A-Za-z_]\w*/y, ([text]) => ({ kind: 'word', text, quoted: false })],
  [/<=>|<=|>=|<>|!=|==|[-+*/%=<>!(),.]/y, ([text]) => ({ kind: 'sign', text })],
]

/** Anybody who may write a table's log chooses its constraints: an expression may not take what time or stack it likes. */
const longest = 20_000
const mostTokens = 2_000

/** The tokens of an expression. {@link Untranslatable} at the first character that begins none of them, or if it is very long. */
export function tokenize(expression: string): Token[] {
  if (expression.length > longest) throw new Untranslatable(`an expression of more than ${longest} characters`)
  const tokens: Token[] = []
  let at = 0
  while (true) {
    at += /^\s*/.exec(expression.slice(at))![0].length
    if (at === expression.length) return tokens
    if (/^(--|\/\*)/.test(expression.slice(at, at + 2))) throw new Untranslatable('a comment')
    const found = match(expression, at)
    if (found === null) throw new Untranslatable(`what begins at ${JSON.stringify(expression.slice(at, at + 20))}`)
    tokens.push(found.token)
    if (tokens.length > mostTokens) throw new Untranslatable(`an expression of more than ${mostTokens} words and signs`)
    at = found.end
  }
}

function match(expression: string, at: number): { readonly token: Token; readonly end: number } | null {
  for (const [pattern, tokenOf] of patterns) {
    pattern.lastIndex = at
    const found = pattern.exec(expression)
    if (found !== null) return { token: tokenOf(found), end: pattern.lastIndex }
  }
  return null
}

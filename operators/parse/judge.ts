/**
 * Holds a document against its declared shape. The answer is one text, since it comes out of a statement: null if the
 * document is as declared; a document that is to be read instead; or why it is rejected.
 */
import { isUtf8 } from 'node:buffer'
import { excerpt } from '../../engine/excerpt.ts'
import { formatType } from '../../engine/schema.ts'
import { inWords, judgeValue, kindOf } from './exact-value.ts'
import { halfPair, notUtf8, refused } from './refusals.ts'
import { decodeString } from './scan.ts'
import { compileShape, type Shape, type ShapeNode, type ShapeSpec } from './shape.ts'
import { createShapeScan, found, type ShapeScan } from './shape-scan.ts'

/** First character of an answer. */
export const marks = {
  /** Code, filled up to {@link codeWidth}, and message. */
  rejected: '!',
  /** The same document, spelt so that nobody rounds. */
  respelled: '=',
  /** The document with null for every value that is not as declared and may be null then. */
  nulled: '~',
} as const

/** Characters of a code in an answer. */
export const codeWidth = 32

/** Problems that a message names. */
const maxProblems = 20

/** Judges documents, one at a time. */
export interface Judge {
  /** The answer for the document in `bytes[start, end)`. */
  answer(bytes: Buffer, start: number, end: number): string | null
  /** What it holds, which is as large as the largest document was. */
  memoryBytes(): number
}

/** A judge for a shape. */
export function openJudge(spec: ShapeSpec): Judge {
  const shape = compileShape(spec)
  const scan = createShapeScan(shape)
  const where = spec.path.length === 0 ? 'the document' : `$.${spec.path.join('.')}`
  return {
    answer(bytes, start, end) {
      const outcome = scan.document(bytes, start, end)
      if (outcome === 'refused') return rejected(refused(scan, bytes, start, end))
      if (!isUtf8(bytes.subarray(start, end))) return rejected(notUtf8(bytes, start, end))
      if (outcome === 'fine') return null
      if (scan.halfPairAt >= 0) return rejected(halfPair(bytes, scan.halfPairAt, start))
      const message = `${where} is not an object: ${insteadOfTarget(shape, scan, bytes)}`
      if (scan.target !== openBrace) return rejected({ code: 'NOT_AN_OBJECT', message })
      return judgeFindings(shape, scan, bytes, start, end)
    },
    memoryBytes: () => scan.memoryBytes,
  }
}

const openBrace = 0x7b

/** What stands where the declared object should, in words. */
function insteadOfTarget(shape: Shape, scan: ShapeScan, bytes: Buffer): string {
  if (scan.target === 0) return 'nothing'
  for (let i = 0; i < scan.count; i++) {
    const [, id, from, to] = scan.finding(i)
    if (id === shape.target.id) return inWords(kindOf(scan.target), bytes, from, to)
  }
  return 'null'
}

function rejected({ code, message }: { readonly code: string; readonly message: string }): string {
  return marks.rejected + code.padEnd(codeWidth) + message
}

/** Text that takes the place of a span. */
interface Edit {
  readonly start: number
  readonly end: number
  readonly json: string
  readonly nulled: boolean
}

interface Problem {
  readonly node: ShapeNode
  readonly code: 'WRONG_TYPE' | 'DUPLICATE_FIELD'
  readonly message: string
  readonly start: number
}

function judgeFindings(shape: Shape, scan: ShapeScan, bytes: Buffer, start: number, end: number): string | null {
  let problems: Problem[] = []
  let edits: Edit[] = []
  const names = new Map<number, Set<string>>()
  for (let i = 0; i < scan.count; i++) {
    const [what, id, from, to, owner] = scan.finding(i)
    const node = shape.nodes[id]!
    const problem = (code: Problem['code'], message: string) => problems.push({ node, code, message, start: from })
    if (what === found.twice)
      problem('DUPLICATE_FIELD', `field ${node.path} stands twice, so that readers would disagree`)
    else if (what === found.mapKey) {
      if (isSecond(names, owner, decodeString(bytes, from, to)))
        problem('DUPLICATE_FIELD', `field ${node.path} has the name ${excerpt(bytes, from, to)} twice`)
    } else if (what === found.cover) {
      const inside = ({ node: part, code, start: at }: Problem) =>
        at >= from && code === 'WRONG_TYPE' && part.contract === 'null'
      if (!problems.some(inside)) continue
      problems = problems.filter((part) => !inside(part))
      edits = [...edits.filter((edit) => edit.start < from), { start: from, end: to, json: 'null', nulled: true }]
    } else {
      const judgement = judgeValue(node.type, bytes, from, to)
      if (!judgement.ok)
        problem('WRONG_TYPE', `field ${node.path}: wanted ${wantedInWords(node)}, found ${judgement.found}`)
      else if (judgement.json !== undefined) edits.push({ start: from, end: to, json: judgement.json, nulled: false })
    }
  }
  if (problems.length > 0) return rejected({ code: problems[0]!.code, message: listed(problems) })
  if (edits.length === 0) return null
  const mark = edits.some(({ nulled }) => nulled) ? marks.nulled : marks.respelled
  return mark + edited(bytes, start, end, edits)
}

function isSecond(names: Map<number, Set<string>>, owner: number, name: string): boolean {
  const seen = names.get(owner) ?? new Set()
  names.set(owner, seen)
  return seen.size === seen.add(name).size
}

function listed(problems: readonly Problem[]): string {
  const lines = [...new Set(problems.map(({ message }) => message))]
  const more = lines.length - maxProblems
  return [...lines.slice(0, maxProblems), ...(more > 0 ? [`and ${more} more`] : [])].join('; ')
}

function wantedInWords({ type }: ShapeNode): string {
  if (type === 'date') return 'a date (YYYY-MM-DD, or empty)'
  if (type === 'timestamp' || type === 'timestamp_ntz') return 'a timestamp (ISO 8601)'
  return formatType(type)
}

/** The document with its edits, which are in order. */
function edited(bytes: Buffer, start: number, end: number, edits: readonly Edit[]): string {
  const parts: string[] = []
  let at = start
  for (const edit of edits) {
    parts.push(bytes.toString('utf8', at, edit.start), edit.json)
    at = edit.end
  }
  parts.push(bytes.toString('utf8', at, end))
  return parts.join('')
}

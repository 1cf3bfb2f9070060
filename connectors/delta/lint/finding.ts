/** What the linter finds. */
import { messageOf } from '../../../engine/errors.ts'
import { type RuleId, rules, type Severity } from './rules.ts'

/** A breach of one rule. */
export interface Finding {
  readonly rule: RuleId
  readonly severity: Severity
  /** Null where it is of no single version. */
  readonly version: bigint | null
  /** Key of the file that it is in. */
  readonly file: string
  /** What is there, for people: lower case, without the other fields. */
  readonly message: string
}

/** Takes what is wrong in the place that it was made for. */
export type Report = (rule: RuleId, message: string) => void

/** A place in a log, and where findings go. */
export interface Place {
  readonly version: bigint | null
  readonly file: string
  readonly findings: Finding[]
}

/** Adds what it is told to the findings of a place. */
export function reporter({ version, file, findings }: Place): Report {
  return (rule, message) => findings.push({ rule, severity: rules[rule].severity, version, file, message })
}

/** The same with words in front of every message. */
export function prefixed(report: Report, words: string): Report {
  return (rule, message) => report(rule, `${words}: ${message}`)
}

/** What `work` gives; if it throws, a finding and null. */
export function attempt<T>(report: Report, rule: RuleId, work: () => T): T | null {
  try {
    return work()
  } catch (error) {
    report(rule, messageOf(error))
    return null
  }
}

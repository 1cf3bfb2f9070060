/** A definition as the engine works with it. */
import type { Limits, SinkDescription, SourceDescription, Step } from './contracts.ts'
import type { Trigger } from './trigger.ts'

/** A checked, frozen definition with every default filled in. */
export interface Pipeline {
  readonly name: string
  readonly description: string
  readonly sources: { readonly [name: string]: SourceDescription }
  /** `from` is filled in on every step. */
  readonly steps: readonly (Step & { readonly from: readonly string[] })[]
  /** In the order of their commits: dead letters first, the primary last. Every input names its step. */
  readonly sinks: readonly SinkDescription[]
  /** Index of the dead letters in `sinks`, or -1. */
  readonly deadLetters: number
  readonly trigger: Trigger
  readonly limits: Limits
  /** Hash of all that decides what a record becomes: sources, steps and sinks; not trigger, limits or description. */
  readonly fingerprint: string
}

/** What a setting is, whichever file describes it. */

/** One setting: where it stands, and what it may be. */
export interface Setting<T> {
  /** Key in the file. */
  readonly key: string
  readonly variable: string
  readonly fallback: T
  /** The value, or what it must be. */
  readonly read: (text: string) => T | { readonly problem: string }
}

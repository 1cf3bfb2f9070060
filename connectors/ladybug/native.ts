/** The graph engine's native module, loaded by name when first used. */
import { MillraceError, messageOf } from '../../engine/errors.ts'

/** What the client can bind; numbers of 64 bits go as text. */
export type NativeParameter = string | boolean | readonly string[]

/** Must be closed: it holds memory that is not JavaScript's. */
export interface NativeResult {
  /** Blocks for about a microsecond a row; the asynchronous way takes thirty. */
  getAllSync(): Record<string, unknown>[]
  getColumnNamesSync(): string[]
  getColumnDataTypesSync(): string[]
  close(): void
}

/** A prepared statement; preparing one that is wrong does not throw. */
export interface NativeStatement {
  isSuccess(): boolean
  getErrorMessage(): string
  isReadOnly(): boolean
}

/** Statements of one connection run one after another. */
export interface NativeConnection {
  query(statement: string): Promise<NativeResult | NativeResult[]>
  prepare(statement: string): Promise<NativeStatement>
  execute(
    statement: NativeStatement,
    parameters: Record<string, NativeParameter>,
  ): Promise<NativeResult | NativeResult[]>
  /** Of the statements that follow. Called beside a running one it blocks the thread until that ends. */
  setQueryTimeout(timeoutMs: number): void
  close(): Promise<void>
}

/** Opens the file at `init`, not before. */
export interface NativeDatabase {
  init(): Promise<void>
  close(): Promise<void>
}

/** What is used of the client library. */
export interface Native {
  readonly Database: new (
    path: string,
    bufferPoolBytes: number,
    compression: boolean,
    readOnly: boolean,
    maxSizeBytes: number,
    autoCheckpoint: boolean,
  ) => NativeDatabase
  readonly Connection: new (database: NativeDatabase, threads: number) => NativeConnection
}

/** The module for this machine; `CONFIG_INVALID` where there is none. */
export async function loadNative(): Promise<Native> {
  const name = `@ladybugdb/core-${process.platform}-${process.arch}`
  try {
    const module = (await import(name)) as { readonly default: Native }
    return module.default
  } catch (cause) {
    throw new MillraceError(
      'CONFIG_INVALID',
      `the embedded graph store needs the package ${name}, which cannot be loaded: ${messageOf(cause)} ` +
        '(install it, or run the pipelines that write no graph)',
      { context: { package: name }, cause },
    )
  }
}

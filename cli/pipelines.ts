/** Finds the definitions that a command names. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { MillraceError, messageOf } from '../engine/errors.ts'
import type { Pipeline } from '../engine/pipeline.ts'
import { usageError } from './args.ts'

/** The pipelines of the entertainment platform, in the order of their tables. */
export async function platformPipelines(): Promise<readonly Pipeline[]> {
  const { entertainment } = await import('../pipelines/entertainment/index.ts')
  return entertainment
}

/**
 * Pipelines by name, or from a TypeScript or JavaScript file whose default export is a definition or a list of them.
 * @throws MillraceError `CONFIG_INVALID` listing every name that is none
 */
export async function findPipelines(names: readonly string[]): Promise<Pipeline[]> {
  const known = await platformPipelines()
  const found: Pipeline[] = []
  const problems: string[] = []
  for (const name of names) {
    const match = known.find((pipeline) => pipeline.name === name)
    if (match !== undefined) found.push(match)
    else if (/\.[cm]?[jt]s$/.test(name)) found.push(...(await fromFile(name, problems)))
    else
      problems.push(`${name}: no such pipeline (there are: ${known.map((p) => p.name).join(', ')}; or name a .ts file)`)
  }
  if (problems.length > 0) throw usageError(problems)
  return found
}

async function fromFile(file: string, problems: string[]): Promise<Pipeline[]> {
  const path = resolve(file)
  if (!existsSync(path)) {
    problems.push(`${file}: no such file`)
    return []
  }
  try {
    const module = (await import(pathToFileURL(path).href)) as { default?: unknown }
    const exported = Array.isArray(module.default) ? module.default : [module.default]
    if (exported.every(isPipeline)) return exported
    problems.push(`${file}: its default export is no pipeline (export default definePipeline({...}))`)
  } catch (error) {
    if (error instanceof MillraceError && error.problems.length > 0)
      problems.push(...error.problems.map((p) => `${file}: ${p}`))
    else problems.push(`${file}: cannot be loaded: ${messageOf(error)}`)
  }
  return []
}

function isPipeline(value: unknown): value is Pipeline {
  return typeof value === 'object' && value !== null && 'fingerprint' in value && 'sinks' in value && 'steps' in value
}

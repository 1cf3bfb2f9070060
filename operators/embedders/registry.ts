/** Embedders by the name that a definition gives. */
import type { Clock, Ids } from '../../engine/contracts.ts'
import type { Embedder } from '../../engine/embedder.ts'
import { MillraceError } from '../../engine/errors.ts'
import type { EmbedderSettings } from './settings.ts'

/** Names that a definition may give: the one that is configured, or the one that needs no model. */
const names: readonly string[] = ['default', 'local']

/** What configured embedders are opened with. */
export interface EmbedderContext {
  readonly clock: Clock
  readonly ids: Pick<Ids, 'random'>
  /** Somebody has looked already whether the settings are right: nothing is sent only to find out. */
  readonly examined?: boolean
}

/**
 * The embedder of that name, loaded when first asked for. `DEFINITION_INVALID` for a name that nobody has. What is wrong with the settings
 * is found now, a model is loaded by its first text.
 */
export async function openEmbedder(
  name: string,
  settings: EmbedderSettings,
  context: EmbedderContext,
): Promise<Embedder> {
  if (!names.includes(name)) {
    const message = `embedder not found: ${name} (use one of: ${names.join(', ')})`
    throw new MillraceError('DEFINITION_INVALID', message, { context: { embedder: name } })
  }
  const chosen = name === 'local' ? localSettings : settings
  switch (chosen.kind) {
    case 'local':
      return (await import('./local.ts')).localEmbedder
    case 'transformers': {
      const { examineModel, transformersEmbedder } = await import('./transformers.ts')
      return transformersEmbedder(chosen, examineModel(chosen))
    }
    case 'openai': {
      const { httpEmbedder, openHttpEmbedder } = await import('./http.ts')
      const options = { ...context, settings: chosen }
      if (context.examined === true && chosen.dimension !== null) return httpEmbedder(options, chosen.dimension)
      return openHttpEmbedder(options)
    }
  }
}

/** The embedder where nothing is configured. */
export const localSettings: EmbedderSettings = { kind: 'local' }

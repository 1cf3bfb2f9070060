/** Embedders by the name that a definition gives. */
import type { Embedder } from '../../engine/embedder.ts'
import { MillraceError } from '../../engine/errors.ts'

const embedders: { readonly [name: string]: (() => Promise<Embedder>) | undefined } = {
  local: async () => (await import('./local.ts')).localEmbedder,
}

/** The embedder of that name, loaded when first asked for. `DEFINITION_INVALID` for a name that nobody has. */
export async function openEmbedder(name: string): Promise<Embedder> {
  const open = Object.hasOwn(embedders, name) ? embedders[name] : undefined
  if (open !== undefined) return open()
  throw new MillraceError(
    'DEFINITION_INVALID',
    `embedder not found: ${name} (use one of: ${Object.keys(embedders).join(', ')})`,
    { context: { embedder: name } },
  )
}

/** The calls that make, describe, configure and delete indexes. */
import { type Body, configuredIndex, type IndexModel, Refusal, requestedIndex, shownIndex } from './index-model.ts'
import type { Answer, Asked } from './request.ts'

/** What the calls work on. */
export interface ControlPlane {
  readonly models: () => Iterable<IndexModel>
  readonly model: (name: string) => IndexModel | undefined
  /** Makes or changes one. */
  put(model: IndexModel): void
  drop(name: string): void
  readonly hostOf: (name: string) => string
  /** Asked whenever an index is described. */
  isReady(name: string): boolean
}

/** Answers one call, and does what it asks for. */
export function answerControl(plane: ControlPlane, { method, path, body, version }: Asked): Answer {
  const [, root, name, ...rest] = path.split('/')
  if (root !== 'indexes' || rest.length > 0) return controlProblem(404, 'NOT_FOUND', `no such path: ${path}`)
  const shown = (model: IndexModel) =>
    shownIndex(model, { version, host: plane.hostOf(model.name), ready: plane.isReady(model.name) })
  try {
    if (name === undefined) return ofAll(plane, { method, body, version, shown })
    const model = plane.model(name)
    if (model === undefined) return controlProblem(404, 'NOT_FOUND', `Resource ${name} not found`)
    return ofOne(plane, { method, body, model, shown })
  } catch (error) {
    if (error instanceof Refusal) return controlProblem(400, 'INVALID_ARGUMENT', error.message)
    throw error
  }
}

function ofAll(
  plane: ControlPlane,
  { method, body, version, shown }: Pick<Asked, 'method' | 'body' | 'version'> & { shown(model: IndexModel): Body },
): Answer {
  if (method === 'GET') return { status: 200, body: { indexes: [...plane.models()].map(shown) } }
  if (method !== 'POST') return controlProblem(405, 'METHOD_NOT_ALLOWED', `${method} /indexes`)
  const made = requestedIndex(body, version)
  if (plane.model(made.name) !== undefined) return controlProblem(409, 'ALREADY_EXISTS', 'Resource already exists')
  plane.put(made)
  return { status: 201, body: shown(made) }
}

function ofOne(
  plane: ControlPlane,
  {
    method,
    body,
    model,
    shown,
  }: Pick<Asked, 'method' | 'body'> & { model: IndexModel; shown(model: IndexModel): Body },
): Answer {
  switch (method) {
    case 'GET':
      return { status: 200, body: shown(model) }
    case 'PATCH': {
      const configured = configuredIndex(model, body)
      plane.put(configured)
      return { status: 200, body: shown(configured) }
    }
    case 'DELETE':
      if (model.deletionProtection === 'enabled')
        return controlProblem(403, 'FORBIDDEN', 'Deletion protection is enabled for this index')
      plane.drop(model.name)
      return { status: 202, body: '' }
    default:
      return controlProblem(405, 'METHOD_NOT_ALLOWED', `${method} /indexes/${model.name}`)
  }
}

/** An error in the shape of the control plane. */
export function controlProblem(status: number, code: string, message: string): Answer {
  return { status, body: { status, error: { code, message } } }
}

/** The declared shape of a document as a tree of numbered nodes, each with its contract. Pure. */
import type { Column, DataType } from '../../engine/schema.ts'

/** What becomes of a value that is not as declared: its document is rejected, or null stands for it. */
export type OnInvalid = 'reject' | 'null'

/** A part of a document that is judged. */
export interface ShapeNode {
  /** Place in {@link Shape.nodes}. */
  readonly id: number
  readonly type: DataType
  /** Name in the object around; empty for elements, for values of maps and for the document. */
  readonly key: string
  /** For messages and contracts: `title`, `genres[].id`, `names{}`; empty on the way to the declared fields. */
  readonly path: string
  readonly children: readonly ShapeNode[]
  /** As declared for this very part, else what is declared for the nearest part around it. */
  readonly contract: OnInvalid
  /** Whether null stands for this part as a whole where something in it is not as declared. */
  readonly covers: boolean
}

/** A compiled shape. */
export interface Shape {
  readonly root: ShapeNode
  /** The object with the declared fields. */
  readonly target: ShapeNode
  readonly nodes: readonly ShapeNode[]
}

/** What a shape is made of. */
export interface ShapeSpec {
  /** Names on the way to the object with the fields. */
  readonly path: readonly string[]
  readonly columns: readonly Column[]
  /** By {@link ShapeNode.path}. */
  readonly onInvalid?: { readonly [path: string]: OnInvalid }
}

/** Numbers the parts of a shape. */
export function compileShape({ path, columns, onInvalid = {} }: ShapeSpec): Shape {
  const nodes: ShapeNode[] = []
  const add = (node: Omit<ShapeNode, 'id' | 'children'>, childrenOf: () => ShapeNode[]): ShapeNode => {
    const children: ShapeNode[] = []
    const made = { ...node, id: nodes.length, children }
    nodes.push(made)
    children.push(...childrenOf())
    return made
  }
  const declared = (type: DataType, key: string, at: string, around: OnInvalid): ShapeNode => {
    const own = onInvalid[at]
    const contract = own ?? around
    return add({ type, key, path: at, contract, covers: own === 'null' }, () =>
      partsOf(type).map((part) => declared(part.type, part.key, at + part.step, contract)),
    )
  }
  const fields = () => columns.map(({ name, type }) => declared(type, name, name, 'reject'))
  let target: ShapeNode | undefined
  const wrapped = (depth: number): ShapeNode => {
    const key = depth === 0 ? '' : path[depth - 1]!
    const isTarget = depth === path.length
    const node = add({ type: object, key, path: '', contract: 'reject', covers: false }, () =>
      isTarget ? fields() : [wrapped(depth + 1)],
    )
    if (isTarget) target = node
    return node
  }
  const root = wrapped(0)
  return { root, target: target!, nodes }
}

const object: DataType = { kind: 'struct', fields: [] }

/** The kinds of values inside one, each with how a path goes on to it. */
function partsOf(type: DataType): { readonly type: DataType; readonly key: string; readonly step: string }[] {
  if (typeof type === 'string' || type.kind === 'decimal') return []
  if (type.kind === 'array') return [{ type: type.element, key: '', step: '[]' }]
  if (type.kind === 'map') return [{ type: type.value, key: '', step: '{}' }]
  return type.fields.map((field) => ({ type: field.type, key: field.name, step: `.${field.name}` }))
}

/** What is wrong with a shape as a definition, each with its fix. */
export function shapeProblems(spec: ShapeSpec): string[] {
  const { nodes } = compileShape(spec)
  const paths = nodes.filter(({ path }) => path !== '').map(({ path }) => path)
  const problems: string[] = []
  for (const { path, type } of nodes) {
    if (type === 'binary') problems.push(`column ${path}: JSON has no binary values (parse it as string)`)
    if (typeof type !== 'string' && type.kind === 'map' && type.key !== 'string')
      problems.push(`column ${path}: names in JSON are text (declare the map's key as string)`)
  }
  for (const [path, contract] of Object.entries(spec.onInvalid ?? {})) {
    if (!paths.includes(path)) problems.push(`onInvalid: unknown field ${path} (there are: ${paths.join(', ')})`)
    if (contract !== 'null' && contract !== 'reject')
      problems.push(`onInvalid: field ${path}: ${JSON.stringify(contract)} is no contract (reject, null)`)
  }
  return problems
}

/** The tree of the paths that a step looks for. */
import { pathKeys } from './fields.ts'
import type { PathNode } from './scan.ts'

/** Paths as a tree, so that one scan finds them all. */
export interface Paths {
  readonly root: PathNode
  /** Slots of a scan, the root's included. */
  readonly slots: number
  /** Slot of each path, in the order given; paths that are equal share one. */
  readonly fieldSlots: readonly number[]
  /** Slot of the object around, per slot; the root is its own. */
  readonly parents: readonly number[]
  /** Path of each slot. */
  readonly names: readonly string[]
  /** What is wrong with the paths together; null if nothing is. */
  readonly problem: string | null
}

/** Puts paths into one tree; each is one that `pathKeys` accepts. */
export function compilePaths(paths: readonly string[]): Paths {
  const root = makeNode(0, '')
  const parents = [0]
  const names = ['$']
  const fieldSlots = paths.map((path) => {
    let node = root
    for (const key of pathKeys(path) ?? []) {
      let child = node.children.find((other) => other.text === key)
      if (child === undefined) {
        child = makeNode(names.length, key)
        node.children.push(child)
        parents.push(node.slot)
        names.push(`${names[node.slot]}.${key}`)
      }
      node = child
    }
    return node.slot
  })
  const inner = fieldSlots.findIndex((slot) => parents.includes(slot, 1))
  const problem = inner < 0 ? null : `path ${paths[inner]} is a value and lies on the way to another field (drop one)`
  return { root, slots: names.length, fieldSlots, parents, names, problem }
}

interface MutableNode extends PathNode {
  readonly text: string
  readonly children: MutableNode[]
}

function makeNode(slot: number, text: string): MutableNode {
  return { slot, text, key: Buffer.from(text), children: [] }
}

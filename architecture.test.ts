import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { expect, test } from 'vitest'

const root = import.meta.dirname

/** Folder -> folders (or single files) that its files may import. Test files may import what they test with. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  engine: ['engine'],
  checkpoints: ['checkpoints', 'engine'],
  operators: ['operators', 'engine'],
  connectors: ['connectors', 'checkpoints', 'engine'],
  pipelines: ['pipelines', 'operators', 'connectors/index.ts', 'engine'],
  cli: ['cli', 'pipelines', 'operators', 'connectors', 'checkpoints', 'engine'],
  testing: ['testing', 'cli', 'connectors', 'engine'],
  bench: ['bench', 'examples', 'testing', 'cli', 'pipelines', 'operators', 'connectors', 'checkpoints', 'engine'],
}

const sources = Object.keys(allowed).flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map((file) => join(folder, file)),
)

/** Static imports, types included, and `new URL('./x.ts', import.meta.url)`. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  const found = text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'|new URL\(\s*'(\.[^']+\.ts)'/g)
  return [...found].map((match) => relative(root, join(root, dirname(file), (match[1] ?? match[2])!)))
}

const graph = new Map(sources.map((file) => [file, importsOf(file)]))

test('imports only go in the allowed directions', () => {
  const forbidden: string[] = []
  for (const [file, imports] of graph) {
    const folder = file.split('/')[0]!
    for (const target of imports)
      if (!allowed[folder]!.some((prefix) => target === prefix || target.startsWith(`${prefix}/`)))
        forbidden.push(`${file} imports ${target}`)
  }
  expect(forbidden).toEqual([])
})

test('no connector imports another', () => {
  // What several have in common: `records` all logs of topics, the others all stores of their kind. `index.ts` holds the descriptions of all.
  const shared = ['records', 'olap', 'graph', 'vectors']
  const forbidden: string[] = []
  for (const [file, imports] of graph) {
    const [folder, connector] = file.split('/')
    if (folder !== 'connectors' || connector === 'index.ts') continue
    for (const target of imports) {
      const [targetFolder, targetConnector] = target.split('/')
      if (targetFolder === 'connectors' && targetConnector !== connector && !shared.includes(targetConnector!))
        forbidden.push(`${file} imports ${target}`)
    }
  }
  expect(forbidden).toEqual([])
})

test('no file imports itself over others', () => {
  const cycles: string[] = []
  const state = new Map<string, 'open' | 'done'>()
  const visit = (file: string, path: readonly string[]): void => {
    if (state.get(file) === 'done') return
    if (state.get(file) === 'open') {
      cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '))
      return
    }
    state.set(file, 'open')
    for (const target of graph.get(file) ?? []) visit(target, [...path, file])
    state.set(file, 'done')
  }
  for (const file of sources) visit(file, [])
  expect(cycles).toEqual([])
})

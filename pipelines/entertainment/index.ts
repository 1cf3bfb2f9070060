/** The Entertainment Data Platform: every pipeline, each after those whose tables it reads. */
import type { Pipeline } from '../../engine/index.ts'
import { bronze } from './bronze.ts'
import { knowledgeGraph } from './graph.ts'
import { kinds } from './kinds.ts'
import { olapTables } from './olap.ts'
import { silver } from './silver.ts'
import { searchVectors } from './vectors.ts'

/** All pipelines of the platform, upstream before downstream. */
export const entertainment: readonly Pipeline[] = [bronze, silver, olapTables, knowledgeGraph, searchVectors].flatMap(
  (layer) => kinds.map(layer),
)

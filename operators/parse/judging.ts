/** The judge as a function that statements call. */
import type { BytesFunction } from '../../engine/duckdb-function.ts'
import { judgeName } from '../expressions/duckdb.ts'
import { type Judge, openJudge } from './judge.ts'
import type { ShapeSpec } from './shape.ts'

/** Judges that are kept ready, and the memory above which one is not: a large document leaves it grown. */
const maxJudges = 32
const maxBytes = 8 * 2 ** 20

/** Holds documents against a `ShapeSpec`, which is its argument as JSON; see `judge.ts` for the answers. */
export function judging(): BytesFunction {
  const judges = new Map<string, Judge>()
  return {
    name: judgeName,
    prepare(spec) {
      let judge = judges.get(spec)
      if (judge === undefined || judge.memoryBytes() > maxBytes) {
        if (judges.size >= maxJudges) judges.clear()
        judge = openJudge(JSON.parse(spec) as ShapeSpec)
        judges.set(spec, judge)
      }
      return judge.answer
    },
  }
}

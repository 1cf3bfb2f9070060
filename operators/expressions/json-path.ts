/** Paths into JSON documents. */
import { MillraceError } from '../../engine/errors.ts'

/**
 * The JSON pointer (RFC 6901) of a path such as `$.a['b c'][0]`; `$` is the whole document, the empty pointer.
 * @throws MillraceError `DEFINITION_INVALID`
 */
export function jsonPointer(path: string): string {
  const step = /\.([A-Za-z_][A-Za-z0-9_-]*)|\['((?:[^'\\]|\\.)*)'\]|\[(\d+)\]/y
  if (!path.startsWith('$')) throw invalidPath(path)
  let pointer = ''
  let at = 1
  while (at < path.length) {
    step.lastIndex = at
    const match = step.exec(path)
    if (match === null) throw invalidPath(path)
    pointer += pointerTo(match[1] ?? match[3] ?? match[2]!.replace(/\\(.)/g, '$1'))
    at = step.lastIndex
  }
  return pointer
}

/** The step of a pointer that leads to a field. */
export function pointerTo(name: string): string {
  return `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
}

/** The names along a path of fields; array positions are refused. */
export function fieldPath(path: string): readonly string[] {
  if (/\[\d+\]/.test(path)) throw invalidPath(path)
  return jsonPointer(path)
    .split('/')
    .slice(1)
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function invalidPath(path: string): MillraceError {
  return new MillraceError(
    'DEFINITION_INVALID',
    `json path ${JSON.stringify(path)} is not valid (write $.a.b, $['a b'] or $.a[0])`,
  )
}

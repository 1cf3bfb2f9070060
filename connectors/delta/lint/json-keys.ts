/** JSON parsers keep the last of two equal keys and say nothing: other readers may keep the first. */

/** The first key that an object of the (valid) JSON text has twice, or null. */
export function keyTwice(text: string): string | null {
  const open: (Set<string> | null)[] = []
  for (let i = 0; i < text.length; i++) {
    const char = text[i]
    if (char === '{') open.push(new Set())
    else if (char === '[') open.push(null)
    else if (char === '}' || char === ']') open.pop()
    else if (char === '"') {
      const end = endOfText(text, i)
      const keys = open.at(-1)
      if (keys && isKey(text, end)) {
        const key = JSON.parse(text.slice(i, end)) as string
        if (keys.has(key)) return key
        keys.add(key)
      }
      i = end - 1
    }
  }
  return null
}

/** Behind the closing quote. */
function endOfText(text: string, start: number): number {
  let end = start + 1
  while (end < text.length && text[end] !== '"') end += text[end] === '\\' ? 2 : 1
  return end + 1
}

function isKey(text: string, end: number): boolean {
  let at = end
  while (at < text.length && /\s/.test(text[at]!)) at += 1
  return text[at] === ':'
}

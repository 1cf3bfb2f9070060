/**
 * Where the files of a partition lie. A convention, not part of the protocol: values are read from the log alone. The folders
 * are those that Hive and Spark make.
 */
import type { PartitionValues } from './partition-values.ts'

const nullFolder = '__HIVE_DEFAULT_PARTITION__'
/** Of a value's folder name; names of files end at 255 on most filesystems. Values that begin alike share a folder. */
const mostBytes = 120

/** Folder of a partition, below the table's own and with a slash at the end; empty without partition columns. */
export function partitionFolder(values: PartitionValues): string {
  return Object.entries(values)
    .map(([name, value]) => `${cut(escaped(name))}=${value === null ? nullFolder : cut(escaped(value))}/`)
    .join('')
}

/** A path below the table's folder as actions have it: a percent-encoded URI (PROTOCOL.md, "Add File and Remove File"). */
export function encodedPath(path: string): string {
  return path
    .split('/')
    .map((segment) => encodeURIComponent(segment).replaceAll('%3D', '='))
    .join('/')
}

/** What Hive escapes in the names of folders, and a dot in front, which stores keep for unfinished files. */
function escaped(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are escaped, too
  return text.replaceAll(/^\.|[\x00-\x1f"#%'*/:=?\\\x7f{[\]^]/g, (character) => {
    const code = character.charCodeAt(0).toString(16).toUpperCase()
    return `%${code.padStart(2, '0')}`
  })
}

function cut(name: string): string {
  if (Buffer.byteLength(name) <= mostBytes) return name
  let [kept, sizeBytes] = ['', 0]
  for (const character of name) {
    sizeBytes += Buffer.byteLength(character)
    if (sizeBytes > mostBytes) break
    kept += character
  }
  return kept
}

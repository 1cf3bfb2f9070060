/** Pieces of Cypher that every store reads alike. */

/** A quoted name of a label, type or property. */
export function name(text: string): string {
  return `\`${text.replaceAll('`', '``')}\``
}

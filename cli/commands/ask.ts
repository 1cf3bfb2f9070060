/** `millrace ask`: a question, answered from the catalogue with the passages that prove it. */
import type { CommandContext } from '../context.ts'
import { toJson } from '../output.ts'
import { asking } from '../reading.ts'
import { type Answer, ask as askIn, type Passage } from '../retrieval.ts'
import { retrievalRequest } from '../retrieval-options.ts'

/** Prints the answer of the configured model and the passages that it cites; without a model, the passages themselves. */
export async function ask(context: CommandContext): Promise<number> {
  const { config, json } = context
  const request = retrievalRequest('ask', context)
  return asking(config, ['pinecone'], async (place) => {
    const answer = await askIn(place, request)
    console.log(json ? toJson(answer) : forPeople(answer).join('\n'))
    return 0
  })
}

function forPeople({ answer, citations, unknownCitations, passages }: Answer): string[] {
  if (passages.length === 0) return ['nothing found']
  if (answer === null)
    return ['no model answers here (MILLRACE_CHAT_URL names one); what is nearest to the question:', ...shown(passages)]
  const cited = passages.filter(({ number }) => citations.includes(number))
  const warning =
    unknownCitations.length > 0
      ? `\nwarning: the answer cites ${unknownCitations.map((number) => `[${number}]`).join(', ')}, which no passage has: do not rely on it`
      : citations.length === 0
        ? '\nwarning: the answer cites no passage: nothing here proves it'
        : null
  return [clean(answer), ...shown(cited), ...(warning === null ? [] : [warning])]
}

function shown(passages: readonly Passage[]): string[] {
  return passages.map(({ number, type, id, title, year, text }) => {
    const name = `${title ?? id}${year === null ? '' : ` (${year})`}`
    return `\n[${number}] ${clean(name)}, ${type} ${id}\n    ${clean(text).replaceAll('\n', '\n    ')}`
  })
}

/** What strangers or models wrote must not steer a terminal. */
function clean(text: string): string {
  return text.replace(/[^\P{Cc}\n]+/gu, ' ')
}

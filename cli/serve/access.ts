/** Who may ask: this machine, and from elsewhere whoever has the token. Pages of other sites never. */
import { timingSafeEqual } from 'node:crypto'
import { isIPv4 } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** Routes that tell nothing of the data: probes and readers of the description need no token. */
const open: ReadonlySet<string> = new Set(['/health', '/openapi.json'])

/** Whether a name or address, as a whole, can only mean this machine. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  return name === 'localhost' || name === '::1' || (isIPv4(name) && name.startsWith('127.'))
}

/** What an `onRequest` hook does: answers 401 or 403 for those who may not ask. */
export function guard({ host, token }: { readonly host: string; readonly token: string | null }) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const refusal = refusalOf(request, host)
    if (refusal !== null) return reply.code(403).send({ error: { code: 'FORBIDDEN', message: refusal } })
    if (token === null || open.has(request.routeOptions.url ?? '') || presents(request, token)) return
    const message = 'a token is needed: send the header Authorization: Bearer <token>'
    return reply
      .code(401)
      .header('www-authenticate', 'Bearer')
      .send({ error: { code: 'UNAUTHORIZED', message } })
  }
}

/** A page elsewhere may have its name resolve to this machine, or send requests here through the browser of a visitor. */
function refusalOf(request: FastifyRequest, host: string): string | null {
  if (isLoopback(host) && !isLoopback(request.hostname))
    return 'this host name is not served (use 127.0.0.1 or localhost, or serve on another --host)'
  const site = request.headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none')
    return 'requests from pages of other sites are refused'
  const { origin } = request.headers
  if (origin !== undefined && origin !== `http://${request.host}` && origin !== `https://${request.host}`)
    return 'requests from pages of other sites are refused'
  return null
}

/** In the same time whatever is wrong with it. */
function presents(request: FastifyRequest, token: string): boolean {
  const given = Buffer.from(/^bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1]?.trim() ?? '')
  const wanted = Buffer.from(token)
  const same = timingSafeEqual(given.length === wanted.length ? given : wanted, wanted)
  return same && given.length === wanted.length
}

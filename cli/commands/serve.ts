/** `millrace serve`: the HTTP API, until Ctrl-C. */
import type { CommandContext } from '../context.ts'
import { toJson } from '../output.ts'
import { asking } from '../reading.ts'
import { stopSignals } from '../stop-signals.ts'

const defaultHost = '127.0.0.1'
const defaultPort = 8080

/** Prints where it listens; ends with 0 when it is told to stop, after the requests that are under way. */
export async function serve({ config, options, json }: CommandContext): Promise<number> {
  const host = typeof options.host === 'string' ? options.host : defaultHost
  const port = typeof options.port === 'number' ? options.port : defaultPort
  return asking(config, ['clickhouse', 'neo4j', 'pinecone'], async (place) => {
    const { apiServer } = await import('../serve/server.ts')
    const { MillraceError, messageOf } = await import('../../engine/errors.ts')
    const { serveToken: token } = config
    const limit = typeof options.timeout === 'number' ? { timeoutMs: options.timeout * 1000 } : {}
    const app = await apiServer(place, { host, port, token, ...limit })
    const stop = stopSignals('millrace: stopping after the running requests, or in 5 s (again to stop at once)')
    try {
      const url = await app.listen({ host, port }).catch((error: unknown) => {
        throw new MillraceError(
          'CONFIG_INVALID',
          `cannot listen on ${host}:${port}: ${messageOf(error)} (choose another --port or --host)`,
        )
      })
      console.log(
        json
          ? toJson({ url, openapi: `${url}/openapi.json` })
          : `listening on ${url} (${url}/openapi.json describes the API; Ctrl-C stops)`,
      )
      await new Promise<void>((resolve) => {
        if (stop.stop.aborted) resolve()
        else stop.stop.addEventListener('abort', () => resolve(), { once: true })
      })
      return 0
    } finally {
      await stop.within(app.close())
      stop.dispose()
    }
  })
}

/** What a version is made of, but for its files, in one small object (PROTOCOL.md, "Version Checksum File"). */
import type { Action, MetaData, Protocol, Txn } from './actions.ts'
import { int64, parseJson, printJson } from './int64-json.ts'
import { commitInfoOf, versionName } from './log-entry.ts'
import { parseAction } from './parse-action.ts'
import type { TableState } from './replay.ts'
import { parseSchema } from './schema.ts'
import type { LogEntry } from './table.ts'

/** Key of a version's checksum. */
export function checksumKey(table: string, version: bigint): string {
  return `${table}/_delta_log/${versionName(version)}.crc`
}

/** The bytes of a version's checksum; null if what it must tell of the files is not known. */
export function printChecksum({ protocol, metaData, txns, commitInfo, totals }: TableState): Uint8Array | null {
  if (totals === null) return null
  const checksum = {
    ...(commitInfo?.txnId === undefined ? {} : { txnId: commitInfo.txnId }),
    tableSizeBytes: totals.sizeBytes,
    numFiles: totals.files,
    numMetadata: 1,
    numProtocol: 1,
    setTransactions: [...txns.values()],
    metadata: metaData,
    protocol,
  }
  return Buffer.from(printJson(checksum))
}

/**
 * A version's state, without its contents, from its checksum; null if that is damaged, is left from another table that
 * stood there, or, as other writers may leave it, does not tell the transaction identifiers.
 */
export function parseChecksum(entry: LogEntry, body: Uint8Array): TableState | null {
  const commitInfo = commitInfoOf(entry)
  try {
    const checksum = parseJson(Buffer.from(body).toString('utf8')) as Record<string, unknown>
    const [files, sizeBytes] = [int64(checksum.numFiles), int64(checksum.tableSizeBytes)]
    const { protocol } = parsed<{ protocol: Protocol }>({ protocol: checksum.protocol })
    const { metaData } = parsed<{ metaData: MetaData }>({ metaData: checksum.metadata })
    if (files === null || sizeBytes === null || !Array.isArray(checksum.setTransactions)) return null
    if (checksum.txnId !== commitInfo?.txnId) return null
    const txns = checksum.setTransactions.map((txn) => parsed<{ txn: Txn }>({ txn }).txn)
    return {
      version: entry.version,
      protocol,
      metaData,
      columns: parseSchema(metaData.schemaString),
      txns: new Map(txns.map((txn) => [txn.appId, txn])),
      contents: null,
      totals: { files: Number(files), sizeBytes },
      commitInfo,
    }
  } catch {
    return null // it only ever saves time
  }
}

function parsed<A extends Action>(action: unknown): A {
  return parseAction(action) as A
}

/** Every command of the command line: words, options, help. */
import { parseDuration } from '../engine/duration.ts'
import type { OptionSpec, VerbSpec } from './args.ts'
import { durationProblem } from './setting.ts'
import { parseYears } from './years.ts'

const json: OptionSpec = { type: 'boolean', help: 'print JSON' }
const top: OptionSpec = { type: 'integer', min: 1, max: 1000, placeholder: 'N', help: 'how many (default 10)' }
const rate = (help: string): OptionSpec => ({
  type: 'number',
  min: 0,
  max: 1,
  placeholder: 'SHARE',
  help: `${help} (0 to 1, default 0)`,
})

const where: OptionSpec = {
  type: 'string',
  placeholder: 'CONDITION',
  help: 'which rows: a condition in Spark SQL ("person_id = 7"); those of which it is null are left alone',
}
const dryRun: OptionSpec = { type: 'boolean', help: 'only show how many rows and files would change' }

/** Of which titles and people `search` and `ask` may find. */
const found = {
  type: { type: 'string', placeholder: 'KIND', help: 'only movies, tv_series or people' },
  year: {
    check: (text) => (parseYears(text) === null ? 'must be a year or a span of years (1999, 1990-1999, 1990-)' : null),
    type: 'string',
    placeholder: 'YEARS',
    help: 'only titles of a year or a span of years (1999, 1990-1999, 1990-)',
  },
  genre: { type: 'string', placeholder: 'GENRE', help: 'only titles of a genre' },
} satisfies Readonly<Record<string, OptionSpec>>

/** Every command, in the order of the help. */
export const verbs: readonly VerbSpec[] = [
  {
    verb: 'run',
    arguments: '[pipeline...]',
    minArguments: 0,
    maxArguments: Number.POSITIVE_INFINITY,
    help: 'Runs pipelines: names of the entertainment platform, or files that export a definition.',
    options: {
      all: { type: 'boolean', help: 'every pipeline of the entertainment platform' },
      'available-now': { type: 'boolean', help: 'read what is there now, then exit' },
      once: { type: 'boolean', help: 'one batch a pipeline, then exit' },
      every: { type: 'number', min: 0.001, placeholder: 'SECONDS', help: 'a batch every so often, until stopped' },
      'max-records': { type: 'integer', min: 1, placeholder: 'N', help: 'at most so many records in a batch' },
      'max-bytes': { type: 'integer', min: 1, placeholder: 'N', help: 'at most so many bytes in a batch' },
      'retry-for': {
        check: (text) => (parseDuration(text) === null ? durationProblem : null),
        type: 'string',
        placeholder: 'TIME',
        help: 'how long to retry what may pass: 90s, 15m, 2h (default 15m, and 60s for runs that end)',
      },
      'metrics-file': {
        type: 'string',
        placeholder: 'FILE',
        help: 'keep metrics there, as text that Prometheus reads',
      },
      workers: {
        type: 'integer',
        min: 0,
        max: 64,
        placeholder: 'N',
        help: 'worker threads (default: one a core, 4 at most)',
      },
    },
  },
  {
    verb: 'simulate',
    arguments: '[file...]',
    minArguments: 0,
    maxArguments: Number.POSITIVE_INFINITY,
    help: 'Sends records to the log: of files (JSON lines, also gzip: documents, platform records, change histories), or generated.',
    options: {
      history: { type: 'string', multiple: true, placeholder: 'FILE', help: 'a file to send; more may follow' },
      titles: {
        type: 'integer',
        min: 1,
        max: 10_000_000,
        placeholder: 'N',
        help: 'size of the generated catalogue (default 500)',
      },
      seed: { type: 'integer', min: 0, placeholder: 'N', help: 'seed of everything that is random (default 1)' },
      rate: { type: 'number', min: 0.001, placeholder: 'N', help: 'records a second (default: full speed)' },
      shuffle: { type: 'integer', min: 0, placeholder: 'N', help: 'mix the order within a window of N records' },
      late: rate('records held back'),
      duplicate: rate('records sent twice'),
      corrupt: rate('damaged copies sent besides'),
      json,
    },
  },
  {
    verb: 'produce',
    arguments: '<topic> <file>',
    minArguments: 2,
    maxArguments: 2,
    help: "Sends the lines of a file (JSON lines, also gzip; '-': standard input) to a topic, each as it is. Lines that are no JSON are named and not sent, and make the exit code 1.",
    options: {
      key: {
        type: 'string',
        placeholder: 'FIELD',
        help: "the key of each record: a field of its line (id, user.id, $.a['b.c']); default: none",
      },
      rate: { type: 'number', min: 0.001, placeholder: 'N', help: 'records a second (default: full speed)' },
      raw: { type: 'boolean', help: 'send lines as they are, without a look at them' },
      json,
    },
  },
  {
    verb: 'explain',
    arguments: '<pipeline...>',
    minArguments: 1,
    maxArguments: Number.POSITIVE_INFINITY,
    help: 'Shows sources, stages and sinks of pipelines.',
    options: { sql: { type: 'boolean', help: 'with the SQL of relational stages' }, json },
  },
  {
    verb: 'check',
    arguments: '[pipeline...]',
    minArguments: 0,
    maxArguments: Number.POSITIVE_INFINITY,
    help: 'Checks definitions, columns and types without reading data; all pipelines if none is named.',
    options: { json },
  },
  {
    verb: 'status',
    arguments: '',
    minArguments: 0,
    maxArguments: 0,
    help: 'Positions, lag, last commit and row counts.',
    options: { json },
  },
  {
    verb: 'tables history',
    arguments: '<table>',
    minArguments: 1,
    maxArguments: 1,
    help: 'Versions of a table, newest first.',
    options: { limit: { type: 'integer', min: 1, placeholder: 'N', help: 'how many (default 20)' }, json },
  },
  {
    verb: 'tables show',
    arguments: '<table>',
    minArguments: 1,
    maxArguments: 1,
    help: 'Rows of a table.',
    options: {
      limit: { type: 'integer', min: 1, placeholder: 'N', help: 'how many (default 20)' },
      version: { type: 'integer', min: 0, placeholder: 'V', help: 'the table as it was at a version' },
      columns: { type: 'string', placeholder: 'A,B', help: 'only these columns' },
      json,
    },
  },
  {
    verb: 'tables optimize',
    arguments: '<table>',
    minArguments: 1,
    maxArguments: 1,
    help: 'Writes small files of a table together, and those of which many rows are marked as deleted. Pipelines may go on writing meanwhile.',
    options: {
      'target-bytes': { type: 'integer', min: 1, placeholder: 'N', help: 'size of the files (default 128 MiB)' },
      sort: {
        type: 'string',
        placeholder: 'A,B',
        help: 'write all files anew, in the order of these columns: readers who look for a few of their values open few files',
      },
      'z-order': {
        type: 'string',
        placeholder: 'A,B',
        help: 'the same for readers who look for values of any one of these columns',
      },
      json,
    },
  },
  {
    verb: 'tables delete',
    arguments: '<table>',
    minArguments: 1,
    maxArguments: 1,
    help: "Deletes rows of a table, as a new version; its change feed tells of each. Older versions keep the rows until 'tables vacuum --delete' has removed their files, so that erasing a person takes both. Pipelines go on writing meanwhile; one that follows the table without its change feed stops at that version.",
    options: { where, 'dry-run': dryRun, json },
  },
  {
    verb: 'tables update',
    arguments: '<table>',
    minArguments: 1,
    maxArguments: 1,
    help: "Gives columns of rows of a table other values, as a new version; its change feed tells of each. Older versions keep the old values until 'tables vacuum --delete' has removed their files. Pipelines go on writing meanwhile; one that follows the table without its change feed stops at that version.",
    options: {
      where,
      set: {
        type: 'string',
        multiple: true,
        placeholder: '"COLUMN = VALUE"',
        help: 'an expression in Spark SQL over the row as it was ("name = \'[erased]\'"); more may follow',
      },
      'dry-run': dryRun,
      json,
    },
  },
  {
    verb: 'tables doctor',
    arguments: '<table>',
    minArguments: 1,
    maxArguments: 1,
    help: 'Examines a table, whoever wrote it: its log, its files, and what its readers pay. Exit code 1 if rows are lost or wrong.',
    options: {
      deep: { type: 'boolean', help: 'open every file and hold its rows against the statistics that readers go by' },
      json,
    },
  },
  {
    verb: 'tables vacuum',
    arguments: '<table>',
    minArguments: 1,
    maxArguments: 1,
    help: 'Shows which files no version within the retention of a table needs, nor any pipeline that has still to read them; deletes them if asked to.',
    options: {
      delete: { type: 'boolean', help: 'delete them: older versions can no longer be shown or restored' },
      'retention-hours': {
        type: 'number',
        min: 0,
        placeholder: 'N',
        help: "what was deleted longer ago goes (default: the table's own retention, a week where it says none)",
      },
      force: { type: 'boolean', help: "allow a retention shorter than the table's own: no batch may be under way" },
      'forget-reader': {
        type: 'string',
        multiple: true,
        placeholder: 'PIPELINE',
        help: 'keep nothing for a pipeline that will not read on; more may follow',
      },
      json,
    },
  },
  {
    verb: 'tables restore',
    arguments: '<table> <version>',
    minArguments: 2,
    maxArguments: 2,
    help: 'Gives a table the rows and the schema of an earlier version again, as a new version.',
    options: {
      rewind: {
        type: 'boolean',
        help: 'also takes the positions of pipelines back: they read again what came after that version',
      },
      json,
    },
  },
  {
    verb: 'tables lint',
    arguments: '<table>',
    minArguments: 1,
    maxArguments: 1,
    help: 'Holds the log of a table, whoever wrote it, against the rules of the Delta protocol. Exit code 1 if it breaks one.',
    options: { json },
  },
  {
    verb: 'audit',
    arguments: '<table>',
    minArguments: 1,
    maxArguments: 1,
    help: 'Proves from the log of a table that the ranges which its commits covered follow each other without gap or overlap, and counts their rows. Exit code 1 if they do not.',
    options: {
      pipeline: { type: 'string', placeholder: 'NAME', help: 'only the ranges of one pipeline' },
      rows: {
        type: 'boolean',
        help: 'also read topic, partition and offset of every row: each must lie in a range, once; counts rows by offset',
      },
      json,
    },
  },
  {
    verb: 'recover',
    arguments: '<pipeline>',
    minArguments: 1,
    maxArguments: 1,
    help: 'Shows a batch that some sinks of a pipeline hold and others lack, and what each way out would do; goes the one that is named. No other process may run the pipeline meanwhile.',
    options: {
      finish: { type: 'boolean', help: 'run the range into the sinks that lack it, by the definition of today' },
      rewrite: {
        type: 'boolean',
        help: 'take the range back in the sinks that hold it (tables and dead letters), then run it into all',
      },
      'set-aside': {
        type: 'boolean',
        help: 'move the sinks that lack the range past it, and keep its records as dead letters',
      },
      json,
    },
  },
  {
    verb: 'dead-letters list',
    arguments: '[table]',
    minArguments: 0,
    maxArguments: 1,
    help: 'Rejected records with step, code, message and position.',
    options: { limit: { type: 'integer', min: 1, placeholder: 'N', help: 'how many (default 20)' }, json },
  },
  {
    verb: 'dead-letters replay',
    arguments: '<table>',
    minArguments: 1,
    maxArguments: 1,
    help: 'Sends the rejected records of a table through their topic again, each once.',
    options: { json },
  },
  {
    verb: 'log repair',
    arguments: '[topic]',
    minArguments: 0,
    maxArguments: 1,
    help: 'Reads all of the embedded log, or of one topic, and shows which offsets cannot be read any more. Exit code 1 if there are any, and they are not given up.',
    options: {
      'give-up': {
        type: 'boolean',
        help: "give them up: everything else can be read and written again. The damaged bytes stay beside the segments. Pipelines stop there, or pass over them with onDataLoss: 'continue'",
      },
      json,
    },
  },
  {
    verb: 'search',
    arguments: '<text>',
    minArguments: 1,
    maxArguments: 1,
    help: 'Titles and people whose text is nearest in meaning.',
    options: {
      top,
      ...found,
      json,
    },
  },
  {
    verb: 'ask',
    arguments: '<question>',
    minArguments: 1,
    maxArguments: 1,
    help: 'Answers a question from titles and people, by the model of MILLRACE_CHAT_URL; without one, shows what is nearest to the question.',
    options: {
      top: { type: 'integer', min: 1, max: 50, placeholder: 'N', help: 'from how many passages (default 6)' },
      ...found,
      json,
    },
  },
  {
    verb: 'serve',
    arguments: '',
    minArguments: 0,
    maxArguments: 0,
    help: 'Answers questions to the stores over HTTP, until Ctrl-C; GET /openapi.json describes them. It only reads.',
    options: {
      host: {
        type: 'string',
        placeholder: 'HOST',
        help: 'address to listen on (default 127.0.0.1: this machine only; others need MILLRACE_SERVE_TOKEN)',
      },
      port: {
        type: 'integer',
        min: 0,
        max: 65_535,
        placeholder: 'N',
        help: 'port (default 8080; 0: any that is free)',
      },
      timeout: {
        type: 'integer',
        min: 1,
        max: 3600,
        placeholder: 'SECONDS',
        help: 'after which a request is given up and its query cancelled (default 30)',
      },
      json,
    },
  },
  {
    verb: 'olap',
    arguments: '[query]',
    minArguments: 0,
    maxArguments: 1,
    help: 'Asks the tables for analysis, read-only: the name of a ready query, or SQL of your own. Without one, lists the ready queries.',
    options: {
      param: {
        type: 'string',
        multiple: true,
        placeholder: 'NAME=VALUE',
        help: 'value of a parameter, which stands as {name:Type} in the query; more may follow',
      },
      show: { type: 'boolean', help: 'print the SQL of a ready query instead of running it' },
      json,
    },
  },
  {
    verb: 'graph path',
    arguments: '<person> <person>',
    minArguments: 2,
    maxArguments: 2,
    help: 'The shortest way from one person to another over the titles that they share.',
    options: { json },
  },
  {
    verb: 'graph co-stars',
    arguments: '<person>',
    minArguments: 1,
    maxArguments: 1,
    help: 'Who acted in most titles with a person.',
    options: { top, json },
  },
  {
    verb: 'graph pairs',
    arguments: '[person]',
    minArguments: 0,
    maxArguments: 1,
    help: 'Directors (of series: creators) and actors with most titles together; those of one person if one is named.',
    options: { top, json },
  },
  {
    verb: 'graph credits',
    arguments: '<person>',
    minArguments: 1,
    maxArguments: 1,
    help: 'All credits of a person, newest first.',
    options: { json },
  },
  {
    verb: 'graph hubs',
    arguments: '',
    minArguments: 0,
    maxArguments: 0,
    help: 'Who acted beside most other people.',
    options: { top, json },
  },
  {
    verb: 'graph',
    arguments: '<cypher>',
    minArguments: 1,
    maxArguments: 1,
    help: 'Asks the graph in Cypher, read-only.',
    options: { json },
  },
]

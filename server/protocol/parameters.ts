import { z } from 'zod'
import { BoardSpan, BoardVia } from './boards.ts'
import { EventCursor } from './events.ts'
import { CALL_HEADER, HOST_HEADER, REPORTS_HEADER, SIGNATURE_HEADER } from './host.ts'
import { PAGE_ROWS_MAX, WAIT_SECONDS_MAX } from './limits.ts'
import { IdempotencyKey } from './operation.ts'
import { Sha256, Versioned } from './units.ts'

interface Parameter {
  readonly about: string
  readonly schema?: z.ZodType
}

/** What parameters mean and look like, by name; a string unless it says otherwise. */
const PARAMETERS: Readonly<Record<string, Parameter>> = {
  id: { about: 'An id as other replies name it, such as c_… of a campaign' },
  sha256: { about: 'The SHA-256 of the bytes', schema: Sha256 },
  name: { about: 'name@version', schema: Versioned },
  number: { about: 'Counted from 1; of a revision also latest' },
  limit: { about: 'How many rows at most', schema: z.int().min(1).max(PAGE_ROWS_MAX) },
  after: { about: 'nextAfter of the page before' },
  before: { about: 'Where the page before ended' },
  topics: { about: 'home, account, campaign:ID, experiment:ID, host:ID, with commas between' },
  'last-event-id': {
    about: 'Of the last message that was read: what came later follows',
    schema: EventCursor,
  },
  where: { about: 'Conditions that all hold, such as lr>0.001 width=64' },
  group: { about: 'One or two fields, in bins or as they are, such as lr:log8,depth' },
  cursor: { about: 'nextAfter of the reply before', schema: EventCursor },
  timeout: { about: 'Seconds to wait at most', schema: z.number().min(0).max(WAIT_SECONDS_MAX) },
  via: { about: 'Computed in browser tabs, by the command line, or both', schema: BoardVia },
  span: { about: 'The last 7 or 365 days (UTC), or all', schema: BoardSpan },
  format: { about: 'Of an export', schema: z.enum(['ndjson', 'csv']) },
  dry_run: {
    about: 'true: say what the call would do and cost, and change nothing',
    schema: z.enum(['true', 'false']),
  },
  'idempotency-key': {
    about: 'The same call under the same key is made once, and answered as before for a week',
    schema: IdempotencyKey,
  },
  'content-range': { about: 'Which bytes of the file a piece has, as in RFC 9110' },
  [HOST_HEADER]: { about: 'The id of the host that signs' },
  [CALL_HEADER]: { about: 'The number of the call, one higher than the last' },
  [SIGNATURE_HEADER]: {
    about: `Ed25519 over the RFC 8785 text of {bodySha256, call, hostId, method, path, serverId, type: "xeenet/call/1"}; with ${REPORTS_HEADER}, over that of {call, reports, type: "xeenet/call/2"}, call being the SHA-256 of the former and reports the header. Base64url, hashes in hexadecimal`,
  },
  [REPORTS_HEADER]: {
    about:
      'Where the last reply said signsReports: the root (RFC 6962, SHA-256) over the success reports of this call that have no signature of their own, in their order; a leaf is the RFC 8785 text of {digest, hostId, resultId, serverId, type: "xeenet/report/1"}, which is also what a signature of a report is over. signature_invalid: nothing came of the call; say it again under the same number, without this header and with a signature for each report',
    schema: Sha256,
  },
}

/** A parameter as OpenAPI describes it. */
export function parameterOf(place: 'path' | 'query' | 'header', name: string, required: boolean): object {
  const { about = `See the description of the reply: ${name}`, schema } = PARAMETERS[name] ?? {}
  const shape = schema === undefined ? { type: 'string' } : z.toJSONSchema(schema, { io: 'input' })
  const { $schema: _, ...rest } = { $schema: '', ...shape }
  return { in: place, name, required, description: about, schema: rest }
}

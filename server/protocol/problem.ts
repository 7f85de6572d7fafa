import { z } from 'zod'
import { ACCOUNT_PROBLEMS } from './account-problems.ts'

/**
 * The closed list of refusals. Each code is documented once, here: its HTTP status, whether the same call may succeed
 * later, what it means, and what to do about it. Replies are RFC 9457 problems.
 */
export const PROBLEMS = {
  // the call itself
  bad_request: [400, false, 'The request does not match its schema', 'The detail names the field.'],
  origin_refused: [
    403,
    false,
    'Calls from there are refused',
    'Call by an address, or have the operator name the public address (XEENET_PUBLIC_URL).',
  ],
  body_too_large: [413, false, 'The body is larger than allowed', 'Send fewer reports or a smaller file.'],
  not_found: [404, false, 'There is no such thing', 'Check the id; ids are never reused.'],
  method_not_allowed: [405, false, 'This address does not take that method', 'See /api/v1/openapi.json.'],
  rate_limited: [429, true, 'Too many requests', 'Wait for retryAfterMs, then try again.'],
  streams_too_many: [
    429,
    true,
    'Too many streams are open',
    'Close one, give one stream several topics, or ask every now and then instead.',
  ],
  unavailable: [
    503,
    true,
    'The server is busy or restarting',
    'Back off with jitter and repeat the same call.',
  ],
  not_ready: [503, true, 'The server takes no callers now', 'Ask another one, or this one later.'],
  internal: [500, true, 'The server met a bug', 'Repeat later; tell the operator the request id.'],

  // who is calling
  token_missing: [401, false, 'Nobody said who is calling', 'Log in, or send authorization: Bearer TOKEN.'],
  token_unknown: [401, false, 'This token is not known here', 'Ask the operator for a new one.'],
  token_expired: [401, false, 'This token has expired or was revoked', 'Ask the operator for a new one.'],
  account_blocked: [403, false, 'The operator has blocked this account', 'Ask the operator why.'],
  scope_missing: [
    403,
    false,
    'This token may not do that',
    'Use a token with the scope named in the detail.',
  ],
  ...ACCOUNT_PROBLEMS,
  signature_invalid: [
    401,
    false,
    'The signature does not fit the call',
    'Sign with the key the host enrolled with.',
  ],
  call_replayed: [409, false, 'A call with a higher number was already answered', 'Number calls upwards.'],
  host_quarantined: [
    403,
    false,
    'This host is quarantined',
    'xeenet host show says why; xeenet host appeal.',
  ],
  host_retired: [403, false, 'This host was retired', 'Enrol again.'],
  protocol_too_old: [426, false, 'This client is too old for the server', 'Update the client.'],
  key_taken: [409, false, 'Another host enrolled with this key', 'Use a fresh key for each host.'],
  challenge_required: [
    428,
    false,
    'An enrolment without a token needs a solved challenge',
    'Solve GET /api/v1/hosts/challenge and send it as work.',
  ],
  challenge_invalid: [
    422,
    false,
    'The challenge is not ours, too easy, or not solved',
    'Ask for a new one and solve that.',
  ],
  challenge_expired: [410, false, 'The challenge has expired', 'Ask for a new one and solve that.'],
  challenge_spent: [
    409,
    false,
    'A host was enrolled with this challenge',
    'Ask for a new one: each enrols one host.',
  ],

  // what becomes of a host
  host_claimed: [409, false, 'This host belongs to an account', 'A host is claimed once.'],
  host_barred: [
    409,
    false,
    'This host is paused, quarantined or trusted, and cannot be claimed',
    'Wait for the decision, or appeal first.',
  ],
  appeal_impossible: [
    409,
    false,
    'There is nothing to appeal',
    'An exclusion can be appealed once, until its appeal period ends.',
  ],
  campaigns_running: [
    409,
    false,
    'The account still has campaigns that run',
    'Cancel them, or wait until they end.',
  ],

  // a report
  report_unknown: [404, false, 'No such result was ever leased to this host', 'Drop the report.'],
  report_stale: [410, false, 'The grace period of this result is over', 'Drop the report.'],
  report_conflict: [409, false, 'Another report was already accepted for this result', 'Drop the report.'],
  report_malformed: [422, false, 'The report does not match its schema', 'The detail names the field.'],
  report_digest_mismatch: [
    422,
    false,
    'The digest is not the SHA-256 of the report',
    'Send the exact bytes.',
  ],
  report_signature_invalid: [
    422,
    false,
    'The report is not signed by this host',
    'Sign type, host, result and digest, or all reports with the call.',
  ],
  report_inconsistent: [422, false, 'The report contradicts itself or its job', 'The detail says how.'],

  // a campaign
  campaign_invalid: [422, false, 'The campaign file is not valid', 'The detail names the field.'],
  kernel_unknown: [422, false, 'This server has not admitted that kernel', 'See GET /api/v1/kernels.'],
  kernel_deprecated: [
    422,
    false,
    'The operator has deprecated that kernel',
    'Take a newer version: see GET /api/v1/kernels.',
  ],
  kernel_without_rungs: [
    422,
    false,
    'This kernel cannot end a run early',
    'Leave out stop.prune, or take a kernel whose manifest says rungs: true.',
  ],
  data_unknown: [422, false, 'This server does not have that data set', 'See GET /api/v1/datasets.'],
  recipe_invalid: [
    422,
    false,
    'A recipe of the space is not valid for the kernel',
    'The detail names the parameter.',
  ],
  recipe_restless: [
    422,
    false,
    'Devices do not agree on a recipe, and every class of the campaign compares with a tolerance',
    'Keep to what the detail says, or add wasm or onnx-wasm to engines: exact classes are offered every recipe.',
  ],
  space_too_small: [422, false, 'The space has fewer points than the runs asked for', 'Ask for fewer runs.'],
  space_too_constrained: [
    422,
    false,
    'A thousand draws in a row broke a constraint or repeated a recipe',
    'Loosen the constraints, widen the space or ask for fewer runs.',
  ],
  budget_exceeded: [
    422,
    false,
    'The quote exceeds a budget: that of the campaign file, or what is left of the API key’s',
    'The detail says which, and what is missing: raise it, or ask for less.',
  ],
  insufficient_credit: [
    402,
    false,
    'The account has too little credit',
    'The detail names the missing amount.',
  ],
  keys_full: [409, false, 'The account has as many API keys as it may', 'Use one that exists.'],
  campaign_limit: [
    409,
    false,
    'The account has as many campaigns or experiments open as it may',
    'Wait until one ends, or stop one.',
  ],
  revision_invalid: [
    422,
    false,
    'A campaign cannot be revised like that',
    'The detail names the field; xeenet campaign fork starts another campaign.',
  ],
  revision_conflict: [
    409,
    false,
    'The campaign was revised meanwhile',
    'Read the newest revision, and edit that one.',
  ],
  notes_full: [409, false, 'The campaign has as many notes as it may', 'Say the rest elsewhere.'],
  webhook_limit: [409, false, 'The account has as many webhooks as it may', 'Remove one first.'],
  campaign_ended: [409, false, 'The campaign has ended', 'Submit a new one.'],
  idempotency_conflict: [409, false, 'This idempotency key was used for another body', 'Use a fresh key.'],
  embargoed: [409, true, 'The result is under embargo until its work unit is closed', 'Ask again later.'],

  // kernels of others
  proposals_too_many: [
    409,
    false,
    'Too many proposals of this account',
    'Wait for decisions, or withdraw some.',
  ],
  proposal_closed: [409, false, 'The proposal is not open for that', 'The detail says in which state it is.'],
  proposal_superseded: [
    409,
    false,
    'What was admitted since leaves no room for this release',
    'The detail says what is taken: reject the proposal.',
  ],
  statement_unfit: [
    422,
    false,
    'The signed statement does not admit this proposal',
    'Sign it with `xeenet kernel sign` and the key of the operator of this server.',
  ],

  query_too_slow: [
    422,
    false,
    'The question takes too long',
    'Narrow it: one campaign, one data set, fewer conditions.',
  ],

  // acts of operators
  preview_missing: [
    422,
    false,
    'An act needs the token of its preview',
    'Ask for one of exactly this act (POST /api/v1/operator/preview), look at it, and send its token.',
  ],
  preview_outdated: [
    409,
    false,
    'What was shown does not hold any more',
    'Look at a new preview: an act never touches more than was shown.',
  ],
  act_pointless: [409, false, 'There is nothing to do', 'The detail says how things stand.'],
  act_too_large: [422, false, 'The filter names too much for one act', 'Narrow it, and act several times.'],
  undo_impossible: [409, false, 'This act cannot be taken back', 'The detail says why; act the other way.'],
  last_operator: [
    409,
    false,
    'A server keeps its operators',
    'Make somebody else an operator first, or take the role before blocking.',
  ],

  // files
  file_unwanted: [
    403,
    false,
    'The server did not ask this host for this file',
    'Upload only what a reply asks for.',
  ],
  file_hash_mismatch: [422, false, 'The bytes do not have the hash in the address', 'Upload again.'],
  file_too_large: [413, false, 'The file is larger than allowed', 'Nothing to do: the limit is fixed.'],
  range_invalid: [416, false, 'The range lies outside the file', 'Ask for bytes that exist.'],
} as const satisfies Record<string, readonly [number, boolean, string, string]>

export type ProblemCode = keyof typeof PROBLEMS

export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  retryable: z.boolean(),
  detail: z.string().optional(),
  hint: z.string(),
  retryAfterMs: z.int().optional(),
  /** How much is too little, milli-credits: of a budget or an account. */
  missingMilli: z.int().optional(),
  /** Of a campaign file that was sent as YAML: where it is wrong, counted from 1. */
  line: z.int().optional(),
  requestId: z.string().optional(),
})
export type Problem = z.infer<typeof Problem>

/** The RFC 9457 body of a refusal. */
export function problem(code: ProblemCode, detail?: string): Problem {
  const [status, retryable, title, hint] = PROBLEMS[code]
  return {
    type: `urn:xeenet:problem:${code}`,
    title,
    status,
    code,
    retryable,
    ...(detail === undefined ? {} : { detail }),
    hint,
  }
}

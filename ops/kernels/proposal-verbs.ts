import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { z } from 'zod'
import { Failure, usage } from '#client/node/failure.ts'
import { type Context, contextOf, options, withServer } from '#client/node/options.ts'
import { importKey, type SigningKey, signRelease } from '#kernels/sign.ts'
import { PROPOSAL_BYTES_MAX } from '#protocol/limits.ts'
import { type AdmitBody, ProposalList, ProposalView, reasonOf } from '#protocol/proposals.ts'
import { ProposalId } from '#protocol/units.ts'
import { ask, askBoth, askChunks } from '#runtime/api.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { readConfig } from '#server/config.ts'
import { secretsDirectory } from '#server/secrets.ts'
import { packed } from './author-verbs.ts'
import { type CheckedRelease, checkRelease } from './check.ts'
import { Unfit } from './unfit.ts'

const PROPOSALS = '/api/v1/kernels/proposals'

/** submit, status, list, withdraw for authors; sign and reject for operators. */
export function addProposalVerbs(root: Command): void {
  verb(root, 'submit [what]', 'propose the kernel of a folder, or a release, to a server', submit)
  verb(root, 'status <id>', 'what became of a proposal, and why', status)
  verb(root, 'list', "one's proposals, newest first; an operator sees everybody's", list)
  verb(root, 'withdraw <id>', 'take a proposal back', withdraw)
  verb(
    root,
    'sign <what>',
    'operator: check a proposal, or a release, here, sign it, and have it admitted',
    sign,
  )
    .option('--key <file>', "the operator's signing key; by default that of the data directory")
    .option('--dry-run', 'check it and say what would be signed')
    .option('--offline', 'of a release: print the signed statement and call no server')
  verb(root, 'reject <id>', 'operator: reject a proposal', reject).requiredOption('--reason <text>', 'why')
}

type Action = (command: Command, context: Context, what: string) => Promise<void>

function verb(root: Command, words: string, description: string, action: Action): Command {
  const command = withServer(root.command(words).description(description))
  return command.action(async () => action(command, await contextOf(command), command.args[0] ?? '.'))
}

const pathOf = (id: string): string => `${PROPOSALS}/${encodeURIComponent(id)}`

async function submit(_: Command, { talk, endpoint }: Context, what: string): Promise<void> {
  const release = (await isFolder(what)) ? (await packed(what)).bytes : await readRelease(what)
  const { reply, text } = await propose(endpoint, release)
  talk.data(talk.json ? text : viewLines(reply).join('\n'))
}

async function status(_: Command, { talk, endpoint }: Context, id: string): Promise<void> {
  const { reply, text } = await askBoth(endpoint, ProposalView, { method: 'GET', path: pathOf(id) })
  talk.data(talk.json ? text : viewLines(reply).join('\n'))
}

async function list(_: Command, { talk, endpoint }: Context): Promise<void> {
  const { reply, text } = await askBoth(endpoint, ProposalList, { method: 'GET', path: PROPOSALS })
  talk.data(talk.json ? text : reply.proposals.map(proposal => viewLines(proposal)[0]).join('\n'))
}

async function withdraw(_: Command, { talk, endpoint }: Context, id: string): Promise<void> {
  const asked = { method: 'POST', path: `${pathOf(id)}/withdraw` } as const
  const { reply, text } = await askBoth(endpoint, ProposalView, asked)
  talk.data(talk.json ? text : viewLines(reply).join('\n'))
}

async function reject(command: Command, { talk, endpoint }: Context, id: string): Promise<void> {
  const { reason } = options(z.object({ reason: z.string().min(1) }), command)
  const reasons = [reasonOf('operator', reason, 'Ask the operator of the server.')]
  const { reply, text } = await decide(endpoint, id, 'reject', { reasons })
  talk.data(talk.json ? text : viewLines(reply).join('\n'))
}

const SignOptions = z.object({
  key: z.string().optional(),
  dryRun: z.boolean().default(false),
  offline: z.boolean().default(false),
})

/** Everything is checked on this machine; what is not fit is not signed, and a proposal that is not is rejected with the reasons. */
async function sign(command: Command, { talk, endpoint }: Context, what: string): Promise<void> {
  const { key: file, dryRun, offline } = options(SignOptions, command)
  const key = await readKey(file)
  const named = ProposalId.safeParse(what)
  const bytes = named.success ? await fetchRelease(endpoint, named.data) : await readRelease(what)
  const release = await checkRelease(bytes).catch(async (error: unknown) => {
    if (error instanceof Unfit && named.success && !dryRun && !wasAborted(error))
      await decide(endpoint, named.data, 'reject', { reasons: error.reasons })
    throw error
  })
  talk.say(factLines(release).join('\n'))
  if (dryRun) {
    const { releaseSha256, moduleSha256, manifest } = release.fit
    const { rebuilt, checked } = release
    return talk.data(JSON.stringify({ releaseSha256, moduleSha256, rebuilt, ...checked, manifest }))
  }
  const signed = await signFit(key, release)
  if (offline) return talk.data(JSON.stringify(signed))
  const id = named.success ? named.data : (await propose(endpoint, bytes)).reply.id
  await untilChecked(endpoint, id)
  const body: AdmitBody = { release: signed, rebuilt: release.rebuilt === 'same' }
  const { reply, text } = await decide(endpoint, id, 'admit', body)
  talk.data(talk.json ? text : viewLines(reply).join('\n'))
}

// Perhaps this machine was slow, or killed it: that says nothing of the kernel.
const wasAborted = ({ reasons }: Unfit): boolean => reasons.some(({ code }) => code === 'check_aborted')

function signFit(key: SigningKey, { fit }: CheckedRelease) {
  const { manifest, releaseSha256, moduleSha256 } = fit
  const { name, version, serial } = manifest
  return signRelease(key, { name, version, serial, releaseSha256, moduleSha256 })
}

async function readKey(given: string | undefined): Promise<SigningKey> {
  const file = given ?? join(secretsDirectory(readConfig(process.env).dataDir), 'operator.pem')
  const key = await importKey(await readFile(file, 'utf8'))
  if (key === undefined) throw usage(`${file}: not an Ed25519 private key in PEM`)
  return key
}

const propose = (endpoint: Context['endpoint'], release: Uint8Array) =>
  askBoth(endpoint, ProposalView, { method: 'POST', path: PROPOSALS, body: new Uint8Array(release) })

const decide = (endpoint: Context['endpoint'], id: string, how: 'admit' | 'reject', body: object) =>
  askBoth(endpoint, ProposalView, {
    ...{ method: 'POST', path: `${pathOf(id)}/${how}`, body: JSON.stringify(body) },
  })

const LOOKS_MAX = 100
const LOOK_EVERY_MS = 300

/** Waits until the server has read a proposal. @throws Failure when it was rejected or takes too long */
async function untilChecked(endpoint: Context['endpoint'], id: ProposalId): Promise<void> {
  for (let look = 0; look < LOOKS_MAX; look++) {
    const view = await ask(endpoint, ProposalView, { method: 'GET', path: pathOf(id) })
    if (view.state === 'checked' || view.state === 'admitted') return
    if (view.state !== 'received')
      throw new Failure(EXIT.failure, `proposal_${view.state}`, { what: viewLines(view).join('\n') })
    await sleep(LOOK_EVERY_MS)
  }
  throw new Failure(EXIT.failure, 'proposal_unread', {
    what: `the server has not read ${id} yet`,
    hint: 'Look at its log, and repeat the command: it goes on where it is.',
  })
}

async function fetchRelease(endpoint: Context['endpoint'], id: ProposalId): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of askChunks(endpoint, { method: 'GET', path: `${pathOf(id)}/release` })) {
    size += chunk.length
    if (size > PROPOSAL_BYTES_MAX) throw usage(`${id}: more bytes than any proposal may have`)
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

async function readRelease(file: string): Promise<Uint8Array> {
  const { size } = await stat(file)
  if (size > PROPOSAL_BYTES_MAX)
    throw usage(`${file}: ${size} bytes; a proposal has at most ${PROPOSAL_BYTES_MAX}`)
  return new Uint8Array(await readFile(file))
}

const isFolder = async (path: string): Promise<boolean> => (await stat(path)).isDirectory()

function viewLines({ id, state, kernel, serial, title, reasons, rebuilt }: ProposalView): string[] {
  const named = kernel === null ? 'not read yet' : `${kernel} (serial ${serial}): ${title}`
  const source =
    rebuilt === null ? '' : rebuilt ? ', compiled again from its sources' : ', not rebuilt from its sources'
  return [
    `${id}  ${state}${source}  ${named}`,
    ...reasons.flatMap(({ code, detail, hint }) => [`${code}: ${detail}`, `  ${hint}`]),
  ]
}

function factLines({ fit, checked, rebuilt }: CheckedRelease): string[] {
  const { manifest, releaseSha256, moduleSha256 } = fit
  const { name, version, serial, title, source, metric, slots } = manifest
  const built = typeof rebuilt === 'string' ? 'its sources give this module' : `NOT REBUILT: ${rebuilt.not}`
  return [
    `${name}@${version}, serial ${serial}: ${title}`,
    `release ${releaseSha256}`,
    `module ${moduleSha256}`,
    `${source?.language} by ${source?.compiler}; ${built}`,
    `reads ${slots.map(slot => slot.split).join(', ') || 'no data'}; ${metric.goal}s ${metric.name}`,
    `self-test ${checked.digest} in: ${checked.engines.join(', ')}`,
  ]
}

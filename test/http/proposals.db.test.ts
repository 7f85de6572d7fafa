// Kernels of others over the wire: submitted, read by the job, admitted by a signed statement; and what strangers try.

import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { runExamine, sweepProposals } from '#jobs/examine.ts'
import { UNMETERED } from '#kernels/examine.ts'
import { examineApart } from '#kernels/examine-apart.ts'
import { generateKey, type SigningKey, signRelease } from '#kernels/sign.ts'
import { PROPOSAL_BYTES_MAX, PROPOSALS_OPEN_MAX } from '#protocol/limits.ts'
import { KernelList } from '#protocol/lists.ts'
import { ProposalList, ProposalView } from '#protocol/proposals.ts'
import { ProposalId, Sha256 } from '#protocol/units.ts'
import { inTransaction } from '#store/database.ts'
import { deleteUser } from '#store/people.ts'
import { addToken, addUser, sha256 } from '#support/builders.ts'
import { release } from '#support/foreign-release.ts'
import { admitted, kernelModule } from '#support/kernel-modules.ts'
import { startServer, type TestServer } from '#support/server.ts'
import { i32 } from '#support/wasm-builder.ts'

const PROPOSALS = '/api/v1/kernels/proposals'

const text = (value: string) => new TextEncoder().encode(value)

let server: TestServer
let author: { id: string; token: string }
let admin: string
let names = 0

beforeAll(async () => {
  server = await startServer()
  admin = (await addUser(server.database.knex, 'operator', { scopes: ['admin'] })).token
})
afterAll(() => server.close())
beforeEach(async () => {
  await server.database.knex.raw(`delete from kernels where name <> 'tiny'`)
  await server.database.knex.raw('delete from kernel_proposals')
  author = await addUser(server.database.knex, `author ${++names}`, { scopes: ['kernel'] })
})

const submit = (body: Uint8Array, token: string | undefined = author.token) =>
  server.call('POST', PROPOSALS, { token, body })
const show = async (id: string) =>
  ProposalView.parse((await server.call('GET', `${PROPOSALS}/${id}`, { token: author.token })).json)
const deps = () => ({
  ...{ knex: server.database.knex, now: server.now },
  log: { info: () => {}, warn: () => {}, error: () => {} },
})

/** Submits, has the job read it, and shows it. */
async function proposed(bytes: Uint8Array, token = author.token): Promise<ProposalView> {
  const reply = await submit(bytes, token)
  const { id } = ProposalView.parse(reply.json)
  expect(server.woken.proposals).toContain(id)
  await runExamine(deps(), [ProposalId.parse(id)])
  return ProposalView.parse((await server.call('GET', `${PROPOSALS}/${id}`, { token })).json)
}

async function statementOf(view: ProposalView, key: SigningKey = server.operator, changes: object = {}) {
  const [name = '', version] = view.kernel!.split('@')
  const facts = { name, version: Number(version), serial: view.serial!, moduleSha256: view.moduleSha256! }
  return signRelease(key, { ...facts, releaseSha256: view.releaseSha256, ...changes })
}

async function admit(view: ProposalView, how: { key?: SigningKey; token?: string; changes?: object } = {}) {
  const signed = await statementOf(view, how.key, how.changes)
  return server.call('POST', `${PROPOSALS}/${view.id}/admit`, {
    token: how.token ?? admin,
    body: { release: signed, rebuilt: false },
  })
}

describe('a proposal', () => {
  test('is received, checked, admitted; then it is a kernel and its bytes are anybody’s', async () => {
    const bytes = await release()
    const reply = await submit(bytes)
    expect(reply.status).toBe(201)
    const view = ProposalView.parse(reply.json)
    expect(view).toMatchObject({ state: 'received', kernel: null, reasons: [], bytes: bytes.length })
    await runExamine(deps(), [view.id])
    const checked = await show(view.id)
    expect(checked).toMatchObject({ state: 'checked', kernel: 'mine@0', serial: 1, title: 'test' })
    expect((await server.call('GET', `/api/v1/files/${view.releaseSha256}`)).status, 'not public yet').toBe(
      404,
    )
    const fetched = await server.call('GET', `${PROPOSALS}/${view.id}/release`, { token: admin })
    expect(fetched.status).toBe(200)
    const done = await admit(checked)
    expect(ProposalView.parse(done.json)).toMatchObject({ state: 'admitted', rebuilt: false })
    expect((await admit(checked)).json, 'again').toEqual(done.json)
    const { kernels } = KernelList.parse((await server.call('GET', '/api/v1/kernels')).json)
    expect(kernels.map(({ manifest, rebuilt }) => [manifest.name, rebuilt])).toEqual([
      ['mine', false],
      ['tiny', null],
    ])
    expect((await server.call('GET', `/api/v1/files/${view.releaseSha256}`)).status).toBe(200)
    const gone = await server.call('GET', `${PROPOSALS}/${view.id}/release`, { token: author.token })
    expect(gone.code).toBe('proposal_closed')
  })

  test('submitted twice is one, also while two come at once; another author’s is another', async () => {
    const bytes = await release()
    const [one, two] = await Promise.all([submit(bytes), submit(bytes)])
    expect([one.status, two.status].sort()).toEqual([200, 201])
    expect(one.json).toEqual(two.json)
    const other = await addUser(server.database.knex, `other ${names}`, { scopes: ['kernel'] })
    expect((await submit(bytes, other.token)).status).toBe(201)
    const { proposals } = ProposalList.parse(
      (await server.call('GET', PROPOSALS, { token: author.token })).json,
    )
    expect(proposals).toHaveLength(1)
    expect((await server.call('GET', `${PROPOSALS}/${proposals[0]!.id}`, { token: other.token })).code).toBe(
      'not_found',
    )
    const all = ProposalList.parse((await server.call('GET', PROPOSALS, { token: admin })).json)
    expect(all.proposals).toHaveLength(2)
  })

  test('is withdrawn by its author, rejected by an operator, each once', async () => {
    const [first, second] = [await proposed(await release()), await proposed(await release({ title: 'two' }))]
    const withdraw = (token = author.token) =>
      server.call('POST', `${PROPOSALS}/${first.id}/withdraw`, { token })
    expect((await withdraw(admin)).code).toBe('scope_missing')
    expect((await withdraw()).json).toMatchObject({ state: 'withdrawn' })
    expect((await withdraw()).status).toBe(200)
    expect((await admit(first)).code).toBe('proposal_closed')
    const body = { reasons: [{ code: 'operator', detail: 'no', hint: 'ask' }] }
    const reject = (token: string) => server.call('POST', `${PROPOSALS}/${second.id}/reject`, { token, body })
    expect((await reject(author.token)).code).toBe('scope_missing')
    expect((await reject(admin)).json).toMatchObject({ state: 'rejected', reasons: body.reasons })
    const late = await server.call('POST', `${PROPOSALS}/${second.id}/withdraw`, { token: author.token })
    expect(late.code).toBe('proposal_closed')
  })

  test('waits with at most seven others of its author, and goes with the account', async () => {
    for (let i = 0; i < PROPOSALS_OPEN_MAX; i++)
      expect((await submit(await release({ title: `${i}` }))).status).toBe(201)
    expect((await submit(await release({ title: 'more' }))).code).toBe('proposals_too_many')
    await inTransaction(server.database.knex, trx => deleteUser(trx, author.id as never, server.now()))
    const { rows } = await server.database.knex.raw(
      `select distinct state, release is null as gone from kernel_proposals`,
    )
    expect(rows).toEqual([{ state: 'withdrawn', gone: true }])
  })

  test('whose request got lost is found by the sweeper, and one that was read is not asked for again', async () => {
    const [unread, read] = [await submit(await release()), await proposed(await release({ title: 'read' }))]
    const { id } = ProposalView.parse(unread.json)
    const asked: string[] = []
    const enqueue = async (_trx: unknown, queue: string, ids: readonly string[]) =>
      void asked.push(...ids.map(each => `${queue} ${each}`))
    const sweep = () => sweepProposals({ ...deps(), enqueue })
    expect(await sweep(), 'just submitted').toBe(0)
    server.advance(61_000)
    expect(await sweep()).toBe(1)
    expect(asked).toEqual([`examine ${id}`])
    await runExamine(deps(), [id, id, read.id])
    expect([(await show(id)).state, await sweep()]).toEqual(['checked', 0])
  })

  test('that takes too long to read is an answer, not a hanging server', async () => {
    const examined = await examineApart(await release(), 1)
    expect(examined).toMatchObject({ ok: false, reasons: [{ code: 'check_aborted' }] })
  })

  test('needs the scope kernel, before its bytes are read', async () => {
    const token = await addToken(server.database.knex, author.id as never, { scopes: ['campaign', 'enrol'] })
    const large = new Uint8Array(PROPOSAL_BYTES_MAX)
    expect((await submit(large, token)).code).toBe('scope_missing')
    expect((await server.call('POST', PROPOSALS, { body: large })).code).toBe('token_missing')
    expect((await submit(new Uint8Array(PROPOSAL_BYTES_MAX + 1))).code).toBe('body_too_large')
    expect((await submit(new Uint8Array())).code).toBe('bad_request')
  })
})

describe('what a stranger sends is rejected by the code of what is wrong', () => {
  const raw = kernelModule()
  const posing = kernelModule({
    globals: [{ type: [0x7e], mutable: true, init: [0x42, 0] }],
    exports: [{ name: 'xee_fuel', kind: 3, index: 0 }],
  })
  const imported = kernelModule({ raw: { 2: [1, 3, 101, 110, 118, 1, 120, 3, 0x7f, 0] } })
  const sum = (of: unknown) => ({ sum: new Array(32).fill(of) })
  const huge = sum(sum(sum(1)))
  test.each<[string, string, () => Promise<Uint8Array> | Uint8Array]>([
    ['bytes that are no tar', 'release_malformed', () => text('nothing')],
    ['a bomb of zeros, packed', 'release_malformed', () => gzipSync(new Uint8Array(50_000_000))],
    ['a text with a control character', 'manifest_invalid', () => release({ title: 'a\u001b[2Jb' })],
    ['a manifest of other fields', 'manifest_invalid', () => release({ colour: 'blue' })],
    ['a formula of a megabyte', 'manifest_too_large', () => release({ memory: { bytes: huge } })],
    ['a claim about fuel', 'manifest_invalid', () => release({ steadyFuel: true })],
    ['a formula that names nobody', 'manifest_invalid', () => release({ memory: { bytes: 'width' } })],
    ['no self-test', 'self_test_missing', () => release({ selfTest: undefined })],
    ['no language', 'source_missing', () => release({ source: undefined })],
    ['no sources', 'source_missing', () => release({}, { source: { [UNMETERED]: raw } })],
    ['no unmetered module', 'source_missing', () => release({}, { source: { 'kernel.c': text('//') } })],
    ['a module that is not metered', 'module_not_metered', () => release({}, { module: raw })],
    ['a module that poses as metered', 'module_differs', () => release({}, { module: posing })],
    [
      'a module of another source',
      'module_differs',
      () => release({}, { raw, module: admitted(kernelModule({ step: i32(0) })) }),
    ],
    ['a module with imports', 'module_imports', () => release({}, { module: imported })],
    ['imports before metering', 'imports', () => release({}, { raw: imported, module: admitted(raw) })],
    [
      'exports of the metering’s',
      'reserved_export',
      () => release({}, { raw: posing, module: admitted(raw) }),
    ],
    ['a name of the operator’s', 'name_taken', () => release({ name: 'tiny', version: 1, serial: 2 })],
  ])('%s: %s', async (_what, code, build) => {
    const view = await proposed(await build())
    expect(view.state).toBe('rejected')
    expect(view.reasons.map(reason => reason.code)).toContain(code)
    for (const { hint } of view.reasons) expect(hint).not.toBe('')
  })

  test('a name of another author, a serial that does not grow, a version and a module twice', async () => {
    expect((await admit(await proposed(await release({ serial: 5 })))).status).toBe(200)
    const codes = async (bytes: Uint8Array, token?: string) =>
      (await proposed(bytes, token)).reasons.map(reason => reason.code)
    const other = kernelModule({ step: i32(0) })
    const squatter = await addUser(server.database.knex, `squatter ${names}`, { scopes: ['kernel'] })
    expect(await codes(await release({ version: 1, serial: 6 }, { raw: other }), squatter.token)).toEqual([
      'name_taken',
    ])
    expect(await codes(await release({ version: 1, serial: 5 }, { raw: other }))).toEqual(['serial_low'])
    expect(await codes(await release({ serial: 6 }, { raw: other }))).toEqual(['version_taken'])
    expect(await codes(await release({ name: 'copy' }), squatter.token)).toEqual(['module_taken'])
    expect(await codes(await release({ version: 1, serial: 6 }, { raw: other }))).toEqual([])
  })
})

describe('a statement', () => {
  test('of another key, of another release, or under an author’s token admits nothing', async () => {
    const view = await proposed(await release())
    const codes = []
    for (const how of [
      { key: await generateKey() },
      { changes: { serial: 2 } },
      { changes: { moduleSha256: Sha256.parse(sha256('another')) } },
      { changes: { keyId: server.operator.keyId, name: 'yours' } },
      { token: author.token },
    ])
      codes.push((await admit(view, how)).code)
    expect(codes).toEqual([
      ...['statement_unfit', 'statement_unfit', 'statement_unfit', 'statement_unfit', 'scope_missing'],
    ])
    const forged = {
      ...(await statementOf(view)),
      signature: (await statementOf(view, await generateKey())).signature,
    }
    const body = { release: forged, rebuilt: true }
    const reply = await server.call('POST', `${PROPOSALS}/${view.id}/admit`, { token: admin, body })
    expect(reply.code).toBe('statement_unfit')
    expect((await show(view.id)).state).toBe('checked')
  })

  test('for what was not read yet admits nothing; of two authors who want one name the first gets it', async () => {
    const unread = ProposalView.parse((await submit(await release())).json)
    const signed = await signRelease(server.operator, {
      ...{ name: 'mine', version: 0, serial: 1, moduleSha256: Sha256.parse(sha256('x')) },
      releaseSha256: unread.releaseSha256,
    })
    const body = { release: signed, rebuilt: true }
    const early = await server.call('POST', `${PROPOSALS}/${unread.id}/admit`, { token: admin, body })
    expect(early.code).toBe('proposal_closed')
    await runExamine(deps(), [unread.id])
    const rival = await addUser(server.database.knex, `rival ${names}`, { scopes: ['kernel'] })
    const theirs = await proposed(await release({}, { raw: kernelModule({ step: i32(0) }) }), rival.token)
    expect([(await show(unread.id)).state, theirs.state]).toEqual(['checked', 'checked'])
    const replies = await Promise.all([admit(await show(unread.id)), admit(theirs)])
    expect(replies.map(reply => reply.status).sort()).toEqual([200, 409])
    expect(replies.find(reply => reply.status === 409)?.code).toBe('proposal_superseded')
  })
})

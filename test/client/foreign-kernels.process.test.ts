// The page "write your own kernel", done as it says with the real programs: from `new` to a campaign's leaderboard.

import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { packRelease, readRelease } from '#kernels/package.ts'
import { type Grid, startGrid } from '#ops/grid.ts'
import { filesOf, PAGE } from '#ops/kernels/template.ts'
import { launch, XEENET, xeenet } from '#ops/process.ts'
import { CampaignView, Leaderboard } from '#protocol/campaign.ts'
import { KernelManifest } from '#protocol/kernel.ts'
import { ProposalList, ProposalView } from '#protocol/proposals.ts'

const [COMPILER, LINKER] = ['clang', 'wasm-ld'] as const
const hasClang =
  spawnSync(COMPILER, ['--version']).status === 0 && spawnSync(LINKER, ['--version']).status === 0
const maySkip = process.env.CI !== 'true'

const Unfit = z.object({ ev: z.literal('error'), code: z.string(), reasons: z.array(z.looseObject({})) })

let dir: string
let grid: Grid
let author: readonly string[]
let operator: readonly string[]
let key: readonly string[]

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'xeenet-foreign-'))
  const env = { XEENET_RETRY_MIN_MS: '50', XEENET_DATASETS: 'sotu-small@1', XEENET_LOG_LEVEL: 'warn' }
  grid = await startGrid({ dir, env })
  await grid.addUser('rosa', 'researcher', 100_000)
  await grid.addUser('olga', 'operator')
  author = ['--server', grid.url, '--token-file', await grid.tokenFile('rosa', 'kernel')]
  operator = ['--server', grid.url, '--token-file', await grid.tokenFile('olga', 'admin')]
  key = ['--key', join(grid.dataDir, 'secrets', 'operator.pem')]
  await grid.addUser('ann', 'volunteer')
  await grid.volunteer('ann')
})

afterAll(async () => {
  await grid.stop()
  await rm(dir, { recursive: true, force: true })
})

/** The page's commands, for one language: the admitted proposal. */
async function follow(name: string, language: string): Promise<ProposalView> {
  const folder = join(dir, name)
  await xeenet(['kernel', 'new', name, '--language', language, '--directory', folder], z.object({}))
  const sent = await xeenet(['kernel', 'submit', folder, ...author], ProposalView)
  const signed = await xeenet(['kernel', 'sign', sent.id, ...key, ...operator], ProposalView)
  expect(await xeenet(['kernel', 'status', sent.id, ...author], ProposalView)).toEqual(signed)
  return signed
}

/** The page's campaign, of that kernel. */
async function ask(kernel: string): Promise<{ view: CampaignView; board: Leaderboard }> {
  const text = filesOf(await readFile(PAGE, 'utf8')).get('campaign.yaml')!
  const file = join(dir, 'campaign.yaml')
  await writeFile(file, text.replace('kernel: bigram@0', `kernel: ${kernel}`))
  const mine = ['--server', grid.url, '--token-file', await grid.tokenFile('rosa', 'campaign')]
  const { id } = await xeenet(['campaign', 'submit', file, ...mine], CampaignView)
  const watch = launch('watch', [XEENET, 'campaign', 'watch', id, '--server', grid.url, '--json'])
  expect(await watch.exited).toBe(0)
  const view = await grid.get(`/api/v1/campaigns/${id}`, CampaignView)
  return { view, board: await grid.get(`/api/v1/campaigns/${id}/leaderboard`, Leaderboard) }
}

test('in AssemblyScript: compiled again by the operator, computed by a volunteer, the bias helps', async () => {
  const proposal = await follow('bigram', 'assemblyscript')
  expect(proposal).toMatchObject({ state: 'admitted', kernel: 'bigram@0', rebuilt: true })
  const { view, board } = await ask('bigram@0')
  expect(view).toMatchObject({ state: 'finished', workUnits: { valid: 2, open: 0, failed: 0 } })
  expect(board.rows.map(row => row.recipe.bias)).toEqual(['shared', 'none'])
  expect(board.rows[0]!.mean!).toBeLessThan(6)
})

describe.skipIf(!hasClang && maySkip)('in C', () => {
  test('not compiled again, and computed the same way', async () => {
    const proposal = await follow('cgram', 'c')
    expect(proposal).toMatchObject({ state: 'admitted', kernel: 'cgram@0', rebuilt: false })
    const { view, board } = await ask('cgram@0')
    expect(view).toMatchObject({ state: 'finished', workUnits: { valid: 2, open: 0, failed: 0 } })
    expect(board.rows.map(row => row.recipe.bias)).toEqual(['shared', 'none'])
  })
})

test('what is not fit is not packed: the author is told why; what was admitted is listed', async () => {
  const folder = join(dir, 'broken')
  await xeenet(['kernel', 'new', 'broken', '--directory', folder], z.object({}))
  await writeFile(join(folder, 'kernel.ts'), 'export function xee_abi(): i32 { return 1 }')
  const packing = launch('pack', [XEENET, 'kernel', 'pack', folder, '--json'])
  const said = Unfit.parse(await packing.until(event => event.ev === 'error'))
  expect(said).toMatchObject({ code: 'kernel_unfit', reasons: [{ code: 'export_missing' }] })
  expect(await packing.exited).toBe(2)
  const { proposals } = await xeenet(['kernel', 'list', ...author], ProposalList)
  expect(proposals.map(({ state }) => state)).toEqual(proposals.map(() => 'admitted'))
})

test('a release that lies about its self-test is rejected when it is signed, with the reason', async () => {
  const folder = join(dir, 'bigram')
  const packed = await readRelease(await readFile(join(folder, 'build', 'bigram@0.tar')))
  if (!packed.ok) throw new Error(packed.detail)
  const { manifest, ...rest } = packed.release
  const honest = KernelManifest.parse(JSON.parse(Buffer.from(manifest).toString()))
  const lying = { ...honest, selfTest: { ...honest.selfTest, digest: 'd'.repeat(64) } }
  const file = join(dir, 'lying.tar')
  await writeFile(file, await packRelease({ manifest: Buffer.from(JSON.stringify(lying)), ...rest }))
  const signing = launch('sign', [XEENET, 'kernel', 'sign', file, ...key, ...operator, '--json'])
  const said = Unfit.parse(await signing.until(event => event.ev === 'error'))
  expect(said.reasons[0]).toMatchObject({ code: 'self_test_digest' })
  expect(await signing.exited).toBe(2)
})

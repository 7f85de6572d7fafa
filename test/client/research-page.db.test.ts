// The page "from question to report": its commands, run by the real command line against a real server, in the order of the page.

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { CampaignFile } from '#protocol/campaign.ts'
import { campaignSchema } from '#protocol/campaign-schema.ts'
import { addUser } from '#support/builders.ts'
import { addPublished } from '#support/published.ts'
import { startServer, type TestServer } from '#support/server.ts'
import { runProgram } from '../../client/node/program.ts'

const PAGE = join(import.meta.dirname, '../../ops/docs/research.md')
// They compute, or wait for volunteers: the process tests of kernels and the grid run these.
const COMPUTING = ['run-local', 'watch', 'repro']

let server: TestServer
let directory: string
let token: string
let published: { id: string; a: string; b: string }

beforeAll(async () => {
  server = await startServer()
  directory = await mkdtemp(join(tmpdir(), 'xeenet-page-'))
  const owner = await addUser(server.database.knex, 'ada', { milli: 1_000_000 })
  token = owner.token
  const file: Partial<CampaignFile> = {
    space: { lr: { log: [0.001, 0.1] }, width: { choice: [16, 32] } },
    replicate: { quorum: 1, seeds: 2, policy: 'fixed' },
  }
  const { id, experiments } = await addPublished(server.database.knex, server, {
    ...{ owner: owner.id, file },
    experiments: [0.001, 0.01, 0.1].flatMap(lr =>
      [16, 32].map(width => ({ recipe: { lr, width }, values: [3 + lr, 3.1 + lr] })),
    ),
  })
  published = { id, a: experiments[0]!.id, b: experiments[2]!.id }
})
afterAll(async () => {
  await server.close()
  await rm(directory, { recursive: true, force: true })
})

/** Runs a command; what it printed. */
async function run(args: readonly string[]): Promise<string> {
  const written: string[] = []
  const out = vi.spyOn(process.stdout, 'write').mockImplementation(text => written.push(String(text)) > 0)
  const error = vi.spyOn(process.stderr, 'write').mockImplementation(text => written.push(String(text)) > 0)
  try {
    const exit = await runProgram([...args, '--server', server.url, '--token', token])
    if (exit !== 0) throw new Error(`xeenet ${args.join(' ')}: ${exit}\n${written.join('')}`)
    return written.join('')
  } finally {
    out.mockRestore()
    error.mockRestore()
  }
}

const commandsOf = (page: string): string[][] =>
  [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)]
    .flatMap(([, block]) => (block ?? '').trim().split('\n'))
    .map(line => [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word ?? ''))

async function narrow(file: string): Promise<void> {
  const text = await readFile(file, 'utf8')
  await writeFile(file, text.replace(/^ {2}lr: .*$/m, '  lr: { log: [0.01, 0.02] }'))
}

test('every command of the page does what it says', async () => {
  const commands = commandsOf(await readFile(PAGE, 'utf8'))
  expect(commands.length).toBeGreaterThan(20)
  const file = join(directory, 'question.yaml')
  let submitted = ''
  const printed = new Map<string, string>()
  for (const [program, ...args] of commands) {
    expect(program).toBe('xeenet')
    const verb = args[0] === 'campaign' ? args[1]! : args[0]!
    if (COMPUTING.includes(verb)) continue
    // What is done to a campaign is done to the one of the page; what is read, of one that has results.
    const id = ['pause', 'resume', 'file', 'revise', 'revisions', 'search'].includes(verb)
      ? submitted
      : published.id
    const words: Record<string, string> = {
      ...{ ID: id, A: published.a, B: published.b, charlm: 'tiny' },
      ...{ 'question.yaml': file, report: verb === 'report' ? 'report' : join(directory, 'report') },
    }
    const given = args.map((word, i) =>
      args[i - 1] === '--out' ? join(directory, word) : (words[word] ?? word),
    )
    if (verb === 'revise') await narrow(file)
    const text = await run(given)
    printed.set(verb, text)
    if (verb === 'submit') submitted = text.split('\n')[0]!
  }
  expect(printed.get('validate')).toMatch(/core-hours +\d.*assumed/)
  expect(printed.get('analysis')).toContain('6 finished')
  expect(printed.get('compare')).toContain('A − B')
  expect(await readdir(join(directory, 'report'))).toContain('report.md')
  expect(printed.get('fork')).toContain(`derived_from: ${published.id}`)
})

test('what the server refuses is named by line and column as well', async () => {
  const file = join(directory, 'refused.yaml')
  const text = await run(['campaign', 'init', 'tiny'])
  const broken = text.replace(/^ {2}lr: .*$/m, '  lr: { log: [0.001, 90] }')
  await writeFile(file, broken)
  const line = broken.split('\n').findIndex(each => each.startsWith('  lr: ')) + 1
  await expect(run(['campaign', 'validate', file])).rejects.toThrow(`refused.yaml:${line}:3: space.lr`)
})

test('a file that is there is not overwritten', async () => {
  const file = join(directory, 'mine.yaml')
  await writeFile(file, 'mine')
  await expect(run(['campaign', 'init', 'tiny', '-o', file])).rejects.toThrow('there is such a file already')
  expect(await readFile(file, 'utf8')).toBe('mine')
})

test('core-hours are told by what hosts needed, once there are results', async () => {
  await server.database.knex.raw(`update results set cpu_ms = 1000 where fuel_used is not null`)
  const file = join(directory, 'measured.yaml')
  await run(['campaign', 'init', 'tiny', '-o', file])
  // 0.5 Gfuel in a second; 16 x 3 x 2 runs of 24 Gfuel, and a sixteenth for runs that are cut short
  expect(await run(['campaign', 'validate', file])).toMatch(
    /core-hours +1\.36 at most, by 0\.5 Gfuel .*median of 12/,
  )
})

test('the schema of campaign files is served to editors', async () => {
  const reply = await server.call('GET', '/schema/campaign/v1.json')
  expect(reply.headers.get('content-type')).toMatch('application/schema+json')
  expect(JSON.parse(reply.text)).toEqual(campaignSchema())
})

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { startGrid } from '#ops/grid.ts'
import { launch, XEENET, xeenet } from '#ops/process.ts'
import { HostView } from '#protocol/host.ts'
import { ActionList, ClaimReply, ExclusionView } from '#protocol/people.ts'

const Any = z.looseObject({})
const Enrolled = z.looseObject({ host: z.string(), user: z.string().nullable() })

test('a machine without an account enrols against work, is excluded, appeals, works again, and joins an account', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'xeenet-people-'))
  const env = {
    ...{ XEENET_RETRY_MIN_MS: '50', XEENET_DATASETS: 'none', XEENET_LOG_LEVEL: 'warn' },
    ...{ XEENET_ENROL_WORK: '20000', XEENET_KERNELS_DIR: join(dir, 'none') },
  }
  const grid = await startGrid({ dir, env, serverArgs: ['--no-verifier'] })
  try {
    const here = ['--server', grid.url, '--state-dir', join(dir, 'me')]
    const admin = (...words: string[]) => xeenet(['admin', ...words, '--data-dir', grid.dataDir], Any, env)
    const up = async () => {
      const program = launch('up', [
        XEENET,
        ...['up', ...here, '--cache-dir', join(dir, 'cache'), '--preset', 'all', '--once', '--json'],
      ])
      return { exit: await program.exited, events: program.events }
    }
    const first = await up()
    expect(first.exit, 'no work').toBe(7)
    const [engine, enrolling, enrolled] = first.events
    expect([engine, enrolling, enrolled]).toMatchObject([
      { ev: 'engine' },
      { ev: 'enrolling', iterations: expect.any(Number) },
      { ev: 'enrolled', user: null },
    ])
    expect(enrolling!.iterations).toBeGreaterThanOrEqual(20_000)
    const { host } = Enrolled.parse(enrolled)

    await admin('host', 'quarantine', host, '--reason', 'results that differ')
    const refused = await up()
    expect(refused.exit).toBe(4)
    expect(refused.events.find(({ ev }) => ev === 'blocked')).toMatchObject({
      code: 'host_quarantined',
      hint: expect.stringContaining('results that differ'),
    })
    const appeal = ['host', 'appeal', ...here, '--text', 'A bad stick of memory; it is replaced.']
    const { actionId } = await xeenet(appeal, ExclusionView)
    const listed = z.looseObject({ appeals: z.array(z.looseObject({ words: z.string() })) })
    expect(listed.parse(await admin('appeals')).appeals).toMatchObject([
      {
        actionId,
        hostId: host,
        reason: 'results that differ',
        words: 'A bad stick of memory; it is replaced.',
      },
    ])
    const before = await grid.get(`/api/v1/hosts/${host}`, HostView)
    expect(before.state).toBe('paused')
    expect(await grid.get('/api/v1/actions', ActionList)).toEqual({ actions: [], nextAfter: null })
    expect(await admin('appeal', actionId, 'uphold', '--reason', 'plausible')).toMatchObject({
      act: { kind: 'decide_appeal', decision: 'uphold', actionId },
      touched: 1,
    })
    const { actions } = await grid.get('/api/v1/actions', ActionList)
    expect(actions.map(({ kind, actor, reason, appeal }) => [kind, actor, reason, appeal])).toEqual([
      ['release', 'operator', 'plausible', 'none'],
      ['quarantine', 'operator', 'results that differ', 'upheld'],
    ])
    const heard = (await up()).events.filter(({ ev }) => ev === 'notice')
    expect(heard.at(-1)).toMatchObject({ text: expect.stringContaining('gets work again') })

    const userId = await grid.addUser('ann', 'volunteer')
    const token = await grid.tokenFile('ann', 'enrol')
    const claim = ['host', 'claim', ...here, '--token-file', token]
    expect(await xeenet(claim, ClaimReply)).toEqual({ hostId: host, userId, movedMilli: 0, voided: 0 })
    const shown = await xeenet(['host', 'show', ...here], HostView)
    expect(shown.own).toMatchObject({ selfTest: 'none', exclusion: null })
    expect(shown.own!.notices[0]!.text).toContain('belongs to an account')
  } finally {
    await grid.stop()
    await rm(dir, { recursive: true, force: true })
  }
})

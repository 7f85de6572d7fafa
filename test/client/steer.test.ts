import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { EMPTY } from '#runtime/snapshot.ts'
import { snooze, statusLines } from '../../client/node/commands/steer.ts'
import { Failure } from '../../client/node/failure.ts'
import { type LocalCommand, type LocalStatus, StatusRead } from '../../client/node/local/messages.ts'
import { listenForControl, socketPath, steer } from '../../client/node/local/socket.ts'

const STATUS: LocalStatus = { ...EMPTY, pid: 1, server: 'http://x', machineCores: 8 }
let directory = ''
let commands: LocalCommand[] = []
let close: () => Promise<void> = async () => undefined
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xeenet-steer-'))
  commands = []
})
afterEach(async () => {
  await close()
  await rm(directory, { recursive: true, force: true })
})
const listen = async (): Promise<void> => {
  close = await listenForControl(directory, {
    status: () => STATUS,
    command: what => void commands.push(what),
  })
}

describe('a running client', () => {
  test('is steered over its socket, and says what it does', async () => {
    await writeFile(join(directory, 'control.sock'), '') // of a client that was killed
    await listen()
    const order: LocalCommand = { type: 'control', to: { state: 'snooze', until: Date.now() + 60_000 } }
    expect(await steer(directory, order)).toMatchObject({ phase: 'enrolling', preset: 'polite' })
    expect((await steer(directory)).machineCores).toBe(8)
    expect(commands).toEqual([order])
  })

  test('that is not there is said to be not there', async () => {
    await expect(steer(directory)).rejects.toMatchObject({ code: 'not_running' })
  })

  test.each([
    ['not JSON', '{'],
    ['no command', '{"type":"explode"}'],
    [
      'a snooze of ten years',
      JSON.stringify({ type: 'control', to: { state: 'snooze', until: Date.now() + 3.2e11 } }),
    ],
    ['more than a command may hold', `"${'x'.repeat(5_000)}"`],
  ])('refuses %s', async (_name, body) => {
    await listen()
    expect(await post(body)).toBeGreaterThanOrEqual(400)
    expect(commands).toEqual([])
  })

  test('with a state directory whose path is longer than a socket may have does without', async () => {
    expect(socketPath(`/${'x'.repeat(120)}`)).toBeUndefined()
    await expect(steer(`/${'x'.repeat(120)}`)).rejects.toBeInstanceOf(Failure)
  })
})

const post = (body: string): Promise<number> =>
  new Promise((done, fail) => {
    const asked = request(
      {
        socketPath: socketPath(directory),
        path: '/command',
        method: 'POST',
        headers: { 'content-length': body.length },
      },
      res => void readAll(res).then(() => done(res.statusCode ?? 0), fail),
    )
    asked.on('error', fail).end(body)
  })

test.each([
  ['90s', 90_000],
  ['15m', 900_000],
  ['2d', 172_800_000],
])('a snooze of %s', (text, ms) => {
  const order = snooze(text)
  const until = order.type === 'control' && order.to.state === 'snooze' ? order.to.until : 0
  expect(Math.abs(until - Date.now() - ms)).toBeLessThan(5_000)
})

test.each(['', '0m', '1 week', '-5m', '99999d'])('a snooze of “%s” is none', text => {
  expect(() => snooze(text)).toThrow('expected a time')
})

test('the status in lines', () => {
  const status = StatusRead.parse({
    ...{
      ...STATUS,
      phase: 'on',
      mode: { mode: 'paused', reasons: ['battery'] },
      host: { id: 'h', name: 'owl-3' },
    },
    ...{ offline: 'fetch failed', unsent: 2, balanceMilli: 1500 },
  })
  expect(statusLines(status)).toEqual([
    'owl-3  paused (battery)  1/8 cores  polite  http://x',
    '0 valid  0 waiting  2 unsent  balance 1.500 cr',
    'the server does not answer: fetch failed',
  ])
})

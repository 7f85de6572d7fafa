import { Webhook } from 'standardwebhooks'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { webhookSecret } from '#domain/webhook.ts'
import { type PostOptions, webhookPoster } from '#jobs/webhook-post.ts'
import { instant } from '#protocol/units.ts'
import { T0, testIds } from '#support/builders.ts'
import { type Receiver, startReceiver } from '#support/receiver.ts'

const NAME = 'hooks.example.test'
const LOOPBACK = ['127.0.0.1/32']
const secret = webhookSecret('s', testIds.webhook(T0))

let receiver: Receiver
beforeAll(async () => {
  receiver = await startReceiver(NAME)
})
afterAll(() => receiver.close())
afterEach(() => {
  receiver.received.length = 0
  receiver.answer(response => void response.writeHead(204).end())
})

interface How extends Partial<PostOptions> {
  readonly addresses?: readonly string[]
  readonly url?: string
}

/** Posts to the receiver by its name, which stands for `addresses` the first time and for nothing good later. */
async function post({
  addresses = ['127.0.0.1'],
  url = `https://${NAME}:${receiver.port}/in`,
  ...how
}: How = {}) {
  const asked: string[] = []
  const options: PostOptions = {
    ...{ networks: LOOPBACK, ca: receiver.ca, ...how },
    resolve: async host => (asked.push(host) === 1 ? addresses : ['192.0.2.1']),
  }
  const at = instant(Date.now()) // the library that verifies has a clock of its own
  const attempt = await webhookPoster(options)({ url, id: 'd_1', body: '{"type":"x"}', secret, at })
  return { attempt, asked }
}

test('a message arrives once, signed as the specification says', async () => {
  expect(await post()).toEqual({ attempt: { type: 'answered', status: 204 }, asked: [NAME] })
  const [{ path, headers, body } = { path: '', headers: {}, body: '' }, ...more] = receiver.received
  expect(more).toEqual([])
  expect(path).toBe('/in')
  expect(headers.host).toBe(`${NAME}:${receiver.port}`)
  expect(headers['webhook-id']).toBe('d_1')
  const signed = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
  expect(new Webhook(secret).verify(body, signed)).toEqual({ type: 'x' })
  expect(() => new Webhook(webhookSecret('other', testIds.webhook(T0))).verify(body, signed)).toThrow()
})

test('the connection goes to the address that was checked: the name is not looked up again', async () => {
  const { attempt, asked } = await post({ addresses: ['127.0.0.1'] })
  expect(attempt).toEqual({ type: 'answered', status: 204 })
  expect(asked).toEqual([NAME]) // a second look-up would have led to 192.0.2.1
})

test('a name that stands for a public address and for another is refused', async () => {
  const { attempt } = await post({ addresses: ['93.184.216.34', '127.0.0.1'], networks: [] })
  expect(attempt).toEqual({ type: 'refused', reason: `${NAME} is not a public address` })
  expect(receiver.received).toEqual([])
})

test.each([
  ...['127.0.0.1', '2130706433', '0x7f.1', '0177.0.0.1', '127.1', '169.254.169.254', '10.0.0.1'],
  ...['[::1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[64:ff9b::7f00:1]', '[::7f00:1]', '[2002:7f00:1::]'],
])('nothing is sent to https://%s', async host => {
  const { attempt } = await post({ url: `https://${host}:${receiver.port}/`, networks: [] })
  expect(attempt).toMatchObject({ type: 'refused', reason: expect.stringContaining('not a public address') })
  expect(receiver.received).toEqual([])
})

test('an address of an allowed network is called by itself as well', async () => {
  const { attempt } = await post({ url: `https://127.0.0.1:${receiver.port}/` })
  expect(attempt).toEqual({ type: 'answered', status: 204 })
})

test('a redirect is an answer, and is not followed', async () => {
  receiver.answer(response => void response.writeHead(307, { location: '/elsewhere' }).end())
  expect((await post()).attempt).toEqual({ type: 'answered', status: 307 })
  expect(receiver.received.map(({ path }) => path)).toEqual(['/in'])
})

test('who does not answer in time has not answered', async () => {
  receiver.answer(() => undefined)
  const timeoutMs = 300
  expect((await post({ timeoutMs })).attempt).toEqual({ type: 'broken', reason: 'no answer in 300 ms' })
})

test('a name that is not resolved in time is given up on', async () => {
  const send = webhookPoster({ networks: [], resolve: () => new Promise(() => undefined), timeoutMs: 50 })
  expect(await send({ url: `https://${NAME}/`, id: 'd_1', body: '', secret, at: T0 })).toEqual({
    type: 'broken',
    reason: 'no answer in 50 ms',
  })
})

test('the body of an answer is not waited for', async () => {
  receiver.answer(response => void response.writeHead(200).write('for ever '))
  expect((await post()).attempt).toEqual({ type: 'answered', status: 200 })
})

test('an answer that changes the protocol is none, and nobody waits for more', async () => {
  receiver.answer(({ socket }) => {
    socket?.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n')
  })
  expect((await post()).attempt).toEqual({
    type: 'broken',
    reason: 'the connection was closed without an answer',
  })
})

test('a certificate that nobody vouches for, or of another name, is refused', async () => {
  expect((await post({ ca: undefined })).attempt).toMatchObject({ type: 'broken' })
  const url = `https://other.example.test:${receiver.port}/`
  expect((await post({ url })).attempt).toMatchObject({ type: 'broken' })
  expect(receiver.received).toEqual([])
})

test('plain http is not called', async () => {
  const { attempt } = await post({ url: `http://${NAME}:${receiver.port}/` })
  expect(attempt).toEqual({ type: 'refused', reason: 'only https addresses are called' })
})

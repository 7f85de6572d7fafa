import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { drawPlan, FAULTS } from '#ops/faults/draw.ts'
import { openProxy, type Wire } from '#ops/faults/proxy.ts'

describe('a plan of faults', () => {
  test('is the same for the same seed, another for another, and in the order of its moments', () => {
    expect(drawPlan(7, FAULTS)).toEqual(drawPlan(7, FAULTS))
    expect(drawPlan(7, FAULTS)).not.toEqual(drawPlan(8, FAULTS))
    for (let seed = 0; seed < 100; seed++) {
      const { faults } = drawPlan(seed, FAULTS)
      const moments = faults.map(({ atMs }) => atMs)
      expect(moments).toEqual(moments.toSorted((a, b) => a - b))
      expect(new Set(faults.map(({ kind }) => kind)).size).toBe(faults.length)
    }
  })

  test('has nothing that the machine does not allow', () => {
    const possible = FAULTS.filter(kind => kind !== 'full_disk')
    const kinds = new Set(
      Array.from({ length: 100 }, (_, seed) =>
        drawPlan(seed, possible).faults.map(({ kind }) => kind),
      ).flat(),
    )
    expect(kinds).toEqual(new Set(possible))
  })
})

describe('a bad network', () => {
  const closers: (() => Promise<unknown>)[] = []
  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close()
  })

  /** A server that says everything back, behind a proxy. */
  async function echo(): Promise<Wire> {
    const server = createServer(socket => socket.on('error', () => undefined).pipe(socket)).listen(
      0,
      '127.0.0.1',
    )
    await once(server, 'listening')
    const wire = await openProxy(() => ({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' }))
    closers.push(async () => server.close(), wire.close)
    return wire
  }

  test('lets everything through until it is told otherwise', async () => {
    const socket = connect((await echo()).port, '127.0.0.1')
    socket.write('hello')
    expect(String((await once(socket, 'data'))[0])).toBe('hello')
    socket.destroy()
  })

  test('resets what it cuts', async () => {
    const wire = await echo()
    const socket = connect(wire.port, '127.0.0.1')
    socket.write('hello')
    await once(socket, 'data')
    const broken = once(socket, 'error')
    wire.cut()
    expect((await broken)[0]).toMatchObject({ code: 'ECONNRESET' })
  })

  test('delivers late what it stalls, and never what it drops', async () => {
    const wire = await echo()
    const socket = connect(wire.port, '127.0.0.1').setEncoding('utf8')
    socket.write('a')
    await once(socket, 'data')
    let heard = ''
    socket.on('data', text => {
      heard += text
    })
    const stalled = wire.stall(50)
    socket.write('b')
    await stalled
    if (heard === '') await once(socket, 'data')
    expect(heard).toBe('b')
    const broken = once(socket, 'error')
    const dropped = wire.drop(50)
    socket.write('c')
    await dropped
    await broken
    expect(heard).toBe('b')
  })
})

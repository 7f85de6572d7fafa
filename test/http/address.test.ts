import type { Request } from 'express'
import { describe, expect, test } from 'vitest'
import { originReader, prefixName } from '#http/address.ts'

const from = (ip: string) => ({ ip }) as Request

describe('where a request comes from', () => {
  const origin = originReader(['127.0.0.0/8', '::1/128', '10.1.0.0/16'])
  test.each([
    ['127.0.0.1', '127.0.0.1', true],
    ['::1', '::1', true],
    ['::ffff:127.0.0.1', '127.0.0.1', true],
    ['10.1.2.3', '10.1.2.3', true],
    ['10.2.2.3', '10.2.2.3', false],
    ['2001:db8::1', '2001:db8::1', false],
    ['fe80::1%eth0', 'fe80::1', false],
    ['::FFFF:10.1.2.3', '10.1.2.3', true],
    ['::ffff:0a01:0203', '10.1.2.3', true],
    ['2001:0DB8:0:0::1', '2001:db8::1', false],
    ['unknown', 'unknown', false],
    ['10.1.2.3:4711', '10.1.2.3:4711', false],
    ['', '', false],
  ])('%s is %s, shared: %s', (ip, address, shared) => {
    expect(origin(from(ip))).toEqual({ address, shared })
  })

  test('a network that is none is refused at start', () => {
    expect(() => originReader(['localhost'])).toThrow()
    expect(() => originReader(['10.0.0.0/33'])).toThrow()
  })
})

describe('the name of a network', () => {
  test.each([
    ['192.0.2.1', '192.0.2.254', true],
    ['192.0.2.1', '192.0.3.1', false],
    ['2001:db8:a::1', '2001:db8:a:ffff::1', true],
    ['2001:db8:a::1', '2001:0db8:000a:0000::2', true],
    ['2001:db8:a::1', '2001:db8:b::1', false],
    ['::1', '::2', true],
  ])('of %s and %s is the same: %s', (one, other, same) => {
    expect(prefixName(one, 's') === prefixName(other, 's')).toBe(same)
  })

  test('depends on the secret', () => {
    expect(prefixName('192.0.2.1', 'a')).not.toBe(prefixName('192.0.2.1', 'b'))
  })
})

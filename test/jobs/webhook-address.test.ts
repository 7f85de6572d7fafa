import { expect, test } from 'vitest'
import { targetChecker } from '#jobs/webhook-address.ts'

test.each(['8.8.8.8', '93.184.216.34', '2606:4700:4700::1111', '2a00:1450:4001::1'])(
  '%s is public',
  address => {
    expect(targetChecker([])(address)).toBe(true)
  },
)

test.each([
  ...['127.0.0.1', '127.9.9.9', '0.0.0.0', '::1', '::'],
  ...['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', 'fc00::1', 'fd12::1'],
  ...['169.254.169.254', 'fe80::1', 'fe80::1%eth0', 'fec0::1'], // metadata of clouds is link-local
  ...['fd00:ec2::254', '192.0.0.192', '100.100.100.200'], // or is elsewhere, and no more public
  ...['100.64.0.1', '100.127.255.254'], // carrier-grade NAT
  ...['224.0.0.1', '239.1.1.1', 'ff02::1', '255.255.255.255'],
  ...['198.18.0.1', '192.0.2.1', '198.51.100.1', '203.0.113.1', '240.0.0.1', '192.88.99.1'],
  ...['2001:db8::1', '3fff::1', '100::1', '5f00::1'],
  // IPv4 in IPv6, whatever the IPv4 address is
  ...['::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:8.8.8.8', '::127.0.0.1', '::7f00:1'],
  ...['64:ff9b::7f00:1', '64:ff9b:1::1', '2002:7f00:1::', '2001::1', '::ffff:0:127.0.0.1'],
  ...['', 'localhost', '1.2.3', '2130706433', '0x7f.1', '0177.0.0.1', '[::1]'],
])('%s is not', address => {
  expect(targetChecker([])(address)).toBe(false)
})

test('networks of the operator are allowed, and nothing beside them', () => {
  const mayReach = targetChecker(['10.1.0.0/16', 'fd00:1::/32'])
  expect(['10.1.2.3', 'fd00:1::5'].map(mayReach)).toEqual([true, true])
  expect(['10.2.0.1', 'fd00:2::5', '::ffff:10.1.2.3', '127.0.0.1'].map(mayReach)).toEqual([
    ...[false, false, false, false],
  ])
})

test('a network that cannot be read is an error at the start', () => {
  expect(() => targetChecker(['10.0.0.0'])).toThrow()
})

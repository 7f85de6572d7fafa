import { isAbsolute, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { QUEUES } from '#jobs/deps.ts'
import { ConfigError, Role, readConfig } from '#server/config.ts'

describe('settings', () => {
  test('have defaults that run on one machine alone', () => {
    const config = readConfig({})
    expect(config).toMatchObject({
      ...{ host: '127.0.0.1', port: 7316, databaseUrl: undefined, publicUrl: undefined, trustedProxies: [] },
      ...{ sharedPrefixes: ['127.0.0.0/8', '::1/128'], datasets: ['sotu-small@1', 'shapes@1', 'sotu@1'] },
      roles: [
        'http',
        'transition',
        'validate',
        'assimilate',
        'standing',
        'propose',
        'examine',
        'webhook',
        'export',
        'cron',
        'seal',
      ],
    })
    expect(isAbsolute(config.dataDir)).toBe(true)
    expect(config.secretFile).toBe(join(config.dataDir, 'secrets', 'server.secret'))
  })

  test('come from the environment, and flags win over it', () => {
    const environment = {
      PORT: '1',
      XEENET_DATA_DIR: '/a',
      XEENET_ROLES: 'http, cron',
      XEENET_LOG_LEVEL: 'debug',
    }
    const config = readConfig(environment, [
      '--port',
      '2',
      '--database-url=postgres://x',
      '--retry-min-ms',
      '5',
    ])
    expect(config).toMatchObject({
      ...{ port: 2, dataDir: '/a', roles: ['http', 'cron'], logLevel: 'debug' },
      ...{ databaseUrl: 'postgres://x', retryMinMs: 5, secretFile: join('/a', 'secrets', 'server.secret') },
    })
  })

  test('an empty variable is not set; no data sets are asked for by name', () => {
    expect(readConfig({ PORT: '', XEENET_DATASETS: '' })).toMatchObject({
      port: 7316,
      datasets: expect.any(Array),
    })
    expect(readConfig({ XEENET_DATASETS: 'none' }).datasets).toEqual([])
  })

  test.each<[string, Record<string, string>, string[]]>([
    ['PORT', { PORT: 'http' }, []],
    ['PORT', {}, ['--port', '65536']],
    ['XEENET_LOG_LEVEL', { XEENET_LOG_LEVEL: 'loud' }, []],
    ['XEENET_ROLES', { XEENET_ROLES: 'http,king' }, []],
    ['XEENET_ROLES', { XEENET_ROLES: ',' }, []],
    ['XEENET_PUBLIC_URL', { XEENET_PUBLIC_URL: 'x.org' }, []],
    ['--colour', {}, ['--colour', 'blue']],
    ['serve', {}, ['serve']],
  ])('what makes no sense is refused by name: %s %j %j', (named, environment, flags) => {
    const refused = () => readConfig(environment, flags)
    expect(refused).toThrow(ConfigError)
    expect(refused).toThrow(named)
  })
})

test('every queue of the jobs is a role that a server runs by default', () => {
  expect(Role.options).toEqual(expect.arrayContaining([...QUEUES]))
})

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { QUEUES } from '#jobs/deps.ts'
import { Role, readConfig } from '#server/config.ts'
import { ConfigError } from '#server/config-sources.ts'

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

describe('a file of settings', () => {
  const folder = mkdtempSync(join(tmpdir(), 'xeenet-config-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const file = (text: string): string => {
    const path = join(folder, 'server.yaml')
    writeFileSync(path, text)
    return path
  }

  test('has lists and plain values; the environment and flags win over it', () => {
    const path = file(
      'port: 1\nroles: [http, cron]\nretry_min_ms: 7\ndatabase_url: postgres://file/x\nhost:\n',
    )
    expect(readConfig({ XEENET_CONFIG: path, PORT: '2' }, ['--retry-min-ms', '9'])).toMatchObject({
      ...{
        port: 2,
        roles: ['http', 'cron'],
        retryMinMs: 9,
        databaseUrl: 'postgres://file/x',
        host: '127.0.0.1',
      },
    })
    expect(readConfig({}, ['--config', path]).port).toBe(1)
  })

  test('every mistake has its sentence, and all are said at once; no secret is', () => {
    const path = file('prot: 1\nretryMinMs: 2\nlog_level: loud\nroles: {a: 1}\n')
    const said = (() => {
      try {
        readConfig({ XEENET_CONFIG: path, PORT: 'http', DATABASE_URL: 'mysql://me:hush@host/x' })
      } catch (error) {
        return error instanceof Error ? error.message.split('\n').map(line => line.trim()) : []
      }
      return []
    })()
    expect(said).toEqual([
      `${path}: there is no setting prot.`,
      `${path}: there is no setting retryMinMs; retry_min_ms is meant.`,
      `${path}: roles is neither a value nor a list of values.`,
      'DATABASE_URL cannot be what is given (from the environment): it takes an address such as postgres://user:password@host/database.',
      'PORT cannot be "http" (from the environment): it takes a port from 0 to 65535.',
      expect.stringMatching(/^XEENET_LOG_LEVEL cannot be "loud" \(from the file\): it takes one of fatal, /),
    ])
  })

  test('one that is not there, or no mapping, is refused', () => {
    const refused = (path: string) => expect(() => readConfig({ XEENET_CONFIG: path }))
    refused(join(folder, 'nowhere.yaml')).toThrow(/cannot be read: ENOENT/)
    refused(file('- 1\n')).toThrow(/no mapping of settings/)
  })
})

test('a bucket is an address with a name, perhaps a prefix, and two keys', () => {
  const keys = { XEENET_S3_ACCESS_KEY: 'a', XEENET_S3_SECRET_KEY: 's' }
  const bucket = (XEENET_S3_URL: string) => readConfig({ XEENET_S3_URL, ...keys }).s3
  const place = { endpoint: 'https://s3.x.org:9000', bucket: 'files', prefix: '', region: 'us-east-1' }
  const known = { ...place, accessKey: 'a', secretKey: 's' }
  expect(bucket('https://s3.x.org:9000/files')).toEqual(known)
  expect(bucket('https://s3.x.org:9000/files/')).toEqual(known)
  expect(bucket('https://s3.x.org:9000/files/of/ours/')).toEqual({ ...known, prefix: 'of/ours/' })
  expect(readConfig({}).s3).toBeUndefined()
})

test.each([
  [{ XEENET_S3_URL: 'https://s3.x.org/files' }, 'needs XEENET_S3_ACCESS_KEY'],
  [{ XEENET_S3_SECRET_KEY: 'hush' }, 'without an XEENET_S3_URL'],
  [{ XEENET_S3_URL: 'https://s3.x.org' }, 'an address such as https://s3.example.org/bucket'],
  [{ XEENET_S3_URL: 's3://files' }, 'an address such as https://s3.example.org/bucket'],
  [{ XEENET_PUBLIC_URL: 'https://x.org/xeenet' }, 'at the root of an address'],
  [{ XEENET_HEALTH_PORT: '8000', PORT: '8000' }, 'cannot share one'],
  [{ XEENET_SHARED_PREFIXES: '10.0.0.0/64' }, 'networks such as'],
  [{ XEENET_TRUSTED_PROXIES: 'nginx' }, 'addresses or networks'],
])('settings that cannot be used, or not together: %j', (environment, said) => {
  expect(() => readConfig(environment)).toThrow(said)
})

test('every queue of the jobs is a role that a server runs by default', () => {
  expect(Role.options).toEqual(expect.arrayContaining([...QUEUES]))
})

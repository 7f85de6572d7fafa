// The page "write your own kernel": what it shows compiles, is fit, and is the same kernel twice.

import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { examineForeign } from '#kernels/examine.ts'
import { type CheckedProject, packProject } from '#ops/kernels/check.ts'
import { clangArguments, compileC } from '#ops/kernels/clang.ts'
import { quietly } from '#ops/kernels/manners.ts'
import { buildProject, rebuild } from '#ops/kernels/project.ts'
import { selfTestData, taskOf } from '#ops/kernels/runs.ts'
import { filesOf, PAGE, templateOf, writeTemplate } from '#ops/kernels/template.ts'
import { sha256, utf8 } from '#protocol/canonical.ts'

const [COMPILER, LINKER] = ['clang', 'wasm-ld'] as const
const hasClang =
  spawnSync(COMPILER, ['--version']).status === 0 && spawnSync(LINKER, ['--version']).status === 0
// Where everything must be checked, a missing compiler is a failure; elsewhere the skip shows in the report.
const maySkip = process.env.CI !== 'true'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'xeenet-page-'))
})
afterAll(() => rm(dir, { recursive: true, force: true }))

const projects = new Map<string, CheckedProject>()

/** The page's project, compiled and admitted; that it also runs as it should is shown by a test with the real programs. */
async function built(language: 'assemblyscript' | 'c'): Promise<CheckedProject> {
  const directory = join(dir, language)
  await writeTemplate(directory, await templateOf(`my-${language}`, language))
  const made = await buildProject(directory)
  const checked = { digest: await sha256(made.module), engines: [], ends: {}, stepFuelMax: 0 }
  const whole = { ...made.manifest, selfTest: { ...made.manifest.selfTest, digest: checked.digest } }
  const project = { ...made, whole, checked }
  projects.set(language, project)
  return project
}

test('the AssemblyScript kernel is admitted, its release examined, and its sources give its module again', async () => {
  const project = await built('assemblyscript')
  expect(project.whole).toMatchObject({ name: 'my-assemblyscript', source: { entry: 'kernel.ts' } })
  const [first, again] = [await packProject(project), await packProject(project)]
  expect(again.sha256).toBe(first.sha256)
  const examined = await examineForeign(first.bytes)
  expect(examined).toMatchObject({ ok: true, fit: { releaseSha256: first.sha256 } })
  expect(await rebuild(project.whole, project.source)).toBe('same')
})

describe.skipIf(!hasClang && maySkip)('in C', () => {
  test('the kernel is admitted, and is not compiled again', async () => {
    const project = await built('c')
    const { bytes } = await packProject(project)
    expect((await examineForeign(bytes)).ok).toBe(true)
    expect(await rebuild(project.whole, project.source)).toEqual({
      not: 'sources in c are not compiled here',
    })
  })

  test('for the same number of updates it gives the same weights as the one in AssemblyScript', async () => {
    const artifacts = await Promise.all(
      [...projects.values()].map(async ({ whole, module }) => {
        const compiled = await WebAssembly.compile(new Uint8Array(module))
        const data = selfTestData(whole, whole.selfTest!)
        const kernel = { manifest: whole, moduleSha256: await sha256(module), module: compiled, data }
        const task = await taskOf(kernel, { recipe: { lr: 0.3 }, limit: { updates: 40 }, seed: 9 })
        if ('code' in task) throw new Error(task.detail)
        const outcome = await quietly(task)
        if (outcome.type !== 'report') throw new Error(outcome.type)
        return [outcome.report.metric?.value, outcome.report.artifactSha256]
      }),
    )
    expect(artifacts).toHaveLength(2)
    expect(artifacts[0]).toEqual(artifacts[1])
    expect(artifacts[0]![0]).toBeLessThan(6.5)
  })

  test('the page shows the flags that are used', async () => {
    const page = (await readFile(PAGE, 'utf8')).replaceAll('\\\n  ', '')
    expect(page).toContain(`clang ${clangArguments('kernel.c', 'build/unmetered.wasm', 1024).join(' ')}`)
  })

  test('what the compiler says reaches the author', async () => {
    await writeFile(join(dir, 'wrong.c'), 'int xee_abi(void) { return one; }')
    await expect(compileC(dir, 'wrong.c', 16)).rejects.toThrow(/does_not_compile: wrong\.c.*undeclared/s)
  })
})

test('without clang the author is told what to install', async () => {
  const before = process.env.CLANG
  process.env.CLANG = '/nowhere/clang'
  try {
    await expect(compileC(dir, 'kernel.c', 16)).rejects.toThrow('compiler_missing')
  } finally {
    if (before === undefined) delete process.env.CLANG
    else process.env.CLANG = before
  }
})

test('a kernel that does not compile, and a folder without a manifest, are said to be so', async () => {
  const directory = join(dir, 'wrong')
  await writeTemplate(directory, await templateOf('wrong', 'assemblyscript'))
  await writeFile(join(directory, 'kernel.ts'), 'export function xee_abi(): i32 { return one }')
  await expect(buildProject(directory)).rejects.toThrow(/does_not_compile.*'one'/s)
  await writeFile(join(directory, 'kernel.ts'), 'export function xee_abi(): i32 { return 1 }')
  await expect(buildProject(directory)).rejects.toThrow(/export_missing: .*xee_alloc/)
  await rm(join(directory, 'manifest.json'))
  await expect(buildProject(directory)).rejects.toThrow('manifest_invalid')
})

test('every path of the page is a file of the template, or the campaign', async () => {
  const files = filesOf(await readFile(PAGE, 'utf8'))
  expect([...files.keys()]).toEqual(['manifest.json', 'SPEC.md', 'kernel.ts', 'kernel.c', 'campaign.yaml'])
})

test('a compiler is told nothing by the sources but the sources', async () => {
  const { whole, source } = projects.get('assemblyscript')!
  const config = utf8('{"options":{"transform":["/nowhere/at-all.mjs"]}}')
  expect(await rebuild(whole, new Map([...source, ['asconfig.json', config]]))).toBe('same')
  const reaching = utf8(
    "import { x } from '../../../../../etc/hostname'\nexport function f(): i32 { return x }",
  )
  await expect(rebuild(whole, new Map([...source, ['kernel.ts', reaching]]))).rejects.toThrow('not found')
  const other = utf8('export function xee_abi(): i32 { return 1 }')
  expect(await rebuild(whole, new Map([...source, ['kernel.ts', other]]))).toBe('different')
})

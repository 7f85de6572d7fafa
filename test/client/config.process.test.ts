import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { XEENET } from '#ops/process.ts'

let dir: string
let file: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'xeenet-config-'))
  file = join(dir, 'below', 'config.toml')
})
afterAll(() => rm(dir, { recursive: true, force: true }))

/** Runs the command line; its exit code and what it said. */
const say = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  new Promise<{ code: number; out: string; err: string }>(resolve => {
    const all = { ...process.env, XEENET_CONFIG: file, ...env }
    execFile(process.execPath, [XEENET, ...args], { env: all }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out: out.trim(), err }),
    )
  })

test('xeenet config: set, get, path and edit; what does not hold is not saved, and flags win over the environment over the file', async () => {
  expect((await say(['config', 'path'])).out).toBe(file)
  expect((await say(['config', 'set', 'server', 'http://127.0.0.1:7009'])).code).toBe(0)
  expect((await say(['config', 'get', 'server'])).out).toBe('http://127.0.0.1:7009')
  const env = { XEENET_SERVER: 'http://127.0.0.1:7010' }
  expect((await say(['config', 'get', 'server'], env)).out).toBe('http://127.0.0.1:7010')
  const asked = ['logout'] // says which server nobody is logged in to
  expect((await say(asked)).err).toContain('127.0.0.1:7009')
  expect((await say(asked, env)).err).toContain('127.0.0.1:7010')
  expect((await say([...asked, '--server', 'http://127.0.0.1:7011'], env)).err).toContain('127.0.0.1:7011')

  const bad = await say(['config', 'set', 'preset', 'loud'])
  expect([bad.code, bad.err.includes('preset')]).toEqual([2, true])
  const before = await readFile(file, 'utf8')
  const editor = join(dir, 'editor.mjs')
  const edit = async (text: string) => {
    await writeFile(
      editor,
      `import { writeFileSync } from 'node:fs'\nwriteFileSync(process.argv[2], ${JSON.stringify(text)})`,
    )
    return say(['config', 'edit'], { VISUAL: `${process.execPath} ${editor}` })
  }
  expect((await edit('preset =')).code).toBe(2)
  expect(await readFile(file, 'utf8')).toBe(before)
  expect((await edit('preset = "all"\n')).code).toBe(0)
  expect(JSON.parse((await say(['config', 'get', '--json'])).out)).toEqual([
    { key: 'preset', value: 'all', from: file },
  ])

  await writeFile(file, 'corse = 2')
  const damaged = await say(asked)
  expect([damaged.code, damaged.err.includes('corse')]).toEqual([2, true])
})

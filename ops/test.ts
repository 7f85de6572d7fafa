/**
 * `npm test`: every project of vitest, then one line alone at the end: `N passed, N failed`.
 * Arguments go to vitest: `npm test -- --project unit test/domain`.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'

const Summary = z.object({
  numPassedTests: z.int(),
  numFailedTests: z.int(),
  numPendingTests: z.int(),
  numTodoTests: z.int(),
  success: z.boolean(),
})

const root = join(import.meta.dirname, '..')
const run = (...args: string[]): number =>
  spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status ?? 1

function main(): number {
  if (run('ops/build-kernels.ts') !== 0) return 1
  const folder = mkdtempSync(join(tmpdir(), 'xeenet-test-'))
  try {
    const file = join(folder, 'summary.json')
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
    const status = run('node_modules/vitest/vitest.mjs', 'run', ...reporters, ...process.argv.slice(2))
    const summary = Summary.parse(JSON.parse(readFileSync(file, 'utf8')))
    const skipped = summary.numPendingTests + summary.numTodoTests
    // A file that fails to load fails no test: count it, or the line would look green.
    const failed = Math.max(summary.numFailedTests, status === 0 && summary.success ? 0 : 1)
    if (skipped > 0) console.log(`${skipped} skipped: each says above what this machine lacks`)
    console.log(`${summary.numPassedTests} passed, ${failed} failed`)
    return failed === 0 ? 0 : 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

process.exitCode = main()

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

const ROOT = join(import.meta.dirname, '..', '..')

/** Builds the kernels once, so that process tests find build/kernels/*.tar. */
export async function setup(): Promise<void> {
  await promisify(execFile)(process.execPath, [join(ROOT, 'ops', 'build-kernels.ts')], { cwd: ROOT })
}

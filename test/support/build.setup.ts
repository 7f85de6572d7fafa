import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

const ROOT = join(import.meta.dirname, '..', '..')

/** Builds the kernels and the pages once, so that process tests find build/kernels/*.tar and no two servers build at once. */
export async function setup(): Promise<void> {
  for (const program of ['build-kernels.ts', 'build-web.ts'])
    await promisify(execFile)(process.execPath, [join(ROOT, 'ops', program)], { cwd: ROOT })
}

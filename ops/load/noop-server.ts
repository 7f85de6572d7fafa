import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { packed } from '../kernels/author-verbs.ts'
import { NOOP_DIRECTORY } from './noop.ts'

/** The environment of a server that knows noop@1 and no data; its files go below `dir`. */
export async function noopServer(dir: string): Promise<NodeJS.ProcessEnv> {
  const kernels = join(dir, 'kernels')
  await mkdir(kernels, { recursive: true })
  const { file } = await packed(NOOP_DIRECTORY)
  await copyFile(file, join(kernels, 'noop.tar'))
  return { XEENET_KERNELS_DIR: kernels, XEENET_DATASETS: 'none', XEENET_LOG_LEVEL: 'warn' }
}

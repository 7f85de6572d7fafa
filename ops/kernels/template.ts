// The page "write your own kernel" is the template: what it shows is what `xeenet kernel new` writes.

import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { KernelLanguage } from '#protocol/kernel.ts'

export const PAGE = join(import.meta.dirname, '..', 'docs', 'write-your-own-kernel.md')

/** The files that a page shows, by the path on their fence: ```ts file="kernel.ts". */
export function filesOf(markdown: string): ReadonlyMap<string, string> {
  const fences = markdown.matchAll(/^```\w+ file="([\w./-]+)"\n([\s\S]*?)^```$/gm)
  return new Map([...fences].map(([, path = '', content = '']) => [path, content]))
}

const ENTRIES = { assemblyscript: 'kernel.ts', c: 'kernel.c' } as const satisfies Record<
  KernelLanguage,
  string
>

/** The files of a new project. @param name of the kernel */
export async function templateOf(
  name: string,
  language: KernelLanguage,
): Promise<ReadonlyMap<string, string>> {
  const files = filesOf(await readFile(PAGE, 'utf8'))
  const entry = ENTRIES[language]
  const [manifest, spec, code] = ['manifest.json', 'SPEC.md', entry].map(path => files.get(path))
  if (manifest === undefined || spec === undefined || code === undefined)
    throw new Error(`${PAGE} does not show a whole kernel`)
  const named = { ...JSON.parse(manifest), name, source: { language, entry } }
  return new Map([
    ['manifest.json', `${JSON.stringify(named, null, 2)}\n`],
    ['SPEC.md', spec.replace(/^# .*$/m, `# ${name}`)],
    [entry, code],
  ])
}

/** Writes a new project into a folder that does not exist yet. @throws EEXIST */
export async function writeTemplate(directory: string, files: ReadonlyMap<string, string>): Promise<void> {
  await mkdir(directory)
  for (const [path, content] of files) await writeFile(join(directory, path), content, { flag: 'wx' })
}

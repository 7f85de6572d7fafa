import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { z } from 'zod'
import { ReportView } from '#protocol/report-view.ts'
import { askBoth } from '#runtime/api.ts'
import { writeDurably } from '../files.ts'
import { contextOf, options } from '../options.ts'
import { campaignPath } from '../verb.ts'

/** `xeenet campaign report ID [--out DIR]`: Markdown to read, or a directory with its figures. */
export async function showReport(command: Command, id: string): Promise<void> {
  const { talk, endpoint } = await contextOf(command)
  const { out } = options(z.object({ out: z.string().min(1).optional() }), command)
  const asked = { method: 'GET', path: `${campaignPath(id)}/report` } as const
  const { reply, text } = await askBoth(endpoint, ReportView, asked)
  if (out !== undefined) {
    await mkdir(out, { recursive: true })
    for (const file of reply.files) await writeDurably(join(out, file.name), file.text, 0o644)
    talk.say(`${reply.files.length} files in ${out}, as of ${reply.at}`)
  }
  if (talk.json) return talk.data(text)
  if (out === undefined) talk.data(reply.files.find(({ name }) => name === 'report.md')?.text ?? '')
  else talk.data(join(out, 'report.md'))
}

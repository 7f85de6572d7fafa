import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from 'commander'
import { z } from 'zod'
import { ExportFormat, ExportView } from '#protocol/exports.ts'
import { ask, askText } from '#runtime/api.ts'
import { EXIT } from '#runtime/exit-codes.ts'
import { downloadFile } from '../download.ts'
import { Failure, usage } from '../failure.ts'
import { writeDurably } from '../files.ts'
import { type Context, contextOf, options } from '../options.ts'
import { campaignPath, verb } from '../verb.ts'

const FORMATS = ExportFormat.options.join(', ')

/** `xeenet campaign export ID` */
export const exportCommand = (): Command =>
  verb('export', 'its published runs, failures included', exportRuns)
    .argument('<id>')
    .option('--format <format>', FORMATS, 'ndjson')
    .option('--out <dir>', 'files with checksums, a data dictionary and licences; a broken download goes on')
    .option('-o, --output <file>', 'write what is there now to a file instead of printing it')

const Options = z.object({
  format: ExportFormat,
  out: z.string().min(1).optional(),
  output: z.string().optional(),
})

async function exportRuns(command: Command, id: string): Promise<void> {
  const context = await contextOf(command)
  const { format, out, output } = options(Options, command)
  if (out !== undefined)
    return fetchExport(context, { format, out, asked: { path: `${campaignPath(id)}/exports` } })
  if (format === 'parquet') throw usage('--format parquet goes to files: say --out DIR')
  const { talk, endpoint } = context
  const text = await askText(endpoint, { method: 'GET', path: `${campaignPath(id)}/export?format=${format}` })
  if (output !== undefined) await writeDurably(output, text, 0o644)
  else if (text !== '') talk.data(text)
  const runs = text.split('\n').filter(line => line !== '').length - (format === 'csv' ? 1 : 0)
  talk.say(`${runs} runs${output === undefined ? '' : ` in ${output}`}`)
}

interface Fetch {
  readonly asked: { readonly path: string; readonly body?: string }
  readonly format: ExportFormat
  readonly out: string
}

/** Has the server make files, waits for them, and downloads the one of this format and the manifest, each checked by its hash. */
export async function fetchExport(context: Context, { asked, format, out }: Fetch): Promise<void> {
  const { talk, endpoint } = context
  const first = await ask(endpoint, ExportView, { method: 'POST', ...asked })
  const view = await built(context, first)
  await mkdir(out, { recursive: true })
  const files = view.files.filter(file => file.format === format || file.format === 'manifest')
  for (const file of files) await downloadFile(endpoint, file, join(out, file.name))
  const sums = files.map(({ sha256, name }) => `${sha256}  ${name}\n`).join('')
  await writeDurably(join(out, 'SHA256SUMS'), sums, 0o644)
  if (talk.json) talk.data(JSON.stringify({ ...view, files }))
  else for (const { name } of files) talk.data(join(out, name))
  talk.say(`${view.rows} runs as of ${view.requestedAt}; checksums hold (SHA256SUMS)`)
}

const POLL_MS = 500

async function built({ talk, endpoint }: Context, first: ExportView): Promise<ExportView> {
  let view = first
  if (view.state === 'building') talk.say(`${view.id} is being built`)
  while (view.state === 'building') {
    await sleep(POLL_MS)
    view = await ask(endpoint, ExportView, { method: 'GET', path: `/api/v1/exports/${view.id}` })
  }
  if (view.state === 'ready') return view
  throw new Failure(EXIT.failure, 'export_failed', { what: `${view.id}: ${view.detail}` })
}

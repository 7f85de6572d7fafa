// The one document of the app: the same at every address, but for what it names for the browser to fetch at once.

import { z } from 'zod'
import type { EventCursor } from '#protocol/events.ts'
import { campaignPath, experimentPath, STREAM_AFTER, VIEW_PATHS } from '#protocol/first.ts'
import { placeOf } from '#protocol/pages.ts'
import { CampaignId, ExperimentId } from '#protocol/units.ts'

/** What Vite says of the files that it made, by their sources. */
export const Manifest = z.record(
  z.string(),
  z.object({
    file: z.string(),
    imports: z.array(z.string()).default([]),
    css: z.array(z.string()).default([]),
  }),
)
export type Manifest = z.infer<typeof Manifest>

interface Asked {
  readonly address: URL
  /** Whatever the page reads shows everything up to here: its stream begins there. Undefined: it reads again when that is open. */
  readonly after: EventCursor | undefined
}

/** The document for an address. Nothing of the address is in it but ids that are well formed. */
export function documentFor(index: string, manifest: Manifest, { address, after }: Asked): string {
  const { programs, readings } = firstOf(address)
  const links = [
    ...readings.map(path => `<link rel="preload" as="fetch" crossorigin href="/api/v1${path}">`),
    ...filesOf(manifest, programs).map(file =>
      file.endsWith('.css')
        ? `<link rel="preload" as="style" crossorigin href="/${file}">`
        : `<link rel="modulepreload" crossorigin href="/${file}">`,
    ),
    ...(after === undefined ? [] : [`<meta name="${STREAM_AFTER}" content="${after}">`]),
  ]
  return index.replace('</head>', () => `${links.join('')}</head>`)
}

const isView = (name: string): name is keyof typeof VIEW_PATHS => Object.hasOwn(VIEW_PATHS, name)

interface First {
  /** Programs, by their names in client/web/pages. */
  readonly programs: readonly string[]
  /** What they read, as paths below /api/v1. */
  readonly readings: readonly string[]
}

/** What is shown first at an address of the app; nothing of ids that cannot be. */
function firstOf(address: { readonly pathname: string; readonly searchParams: URLSearchParams }): First {
  const { page, id } = placeOf(address.pathname) ?? {}
  if (page === undefined || id === undefined) return { programs: [], readings: [] }
  if (page === 'experiment' && ExperimentId.safeParse(id).success)
    return { programs: [page], readings: [experimentPath(id)] }
  if (page !== 'campaign' || !CampaignId.safeParse(id).success) return { programs: [page], readings: [] }
  const view = address.searchParams.get('tab') ?? 'overview'
  return {
    programs: [page, `${page}-${view}`],
    readings: [campaignPath(id), ...(isView(view) ? [VIEW_PATHS[view](id)] : [])],
  }
}

/** The files of programs, with what they import but for what the document names by itself. */
function filesOf(manifest: Manifest, programs: readonly string[]): string[] {
  const seen = new Set<string>()
  const files = new Set<string>()
  const add = (source: string): void => {
    const made = manifest[source]
    if (made === undefined || seen.has(source)) return
    seen.add(source)
    for (const file of [made.file, ...made.css]) files.add(file)
    made.imports.forEach(add)
  }
  add('index.html')
  const own = [...files]
  for (const program of programs) add(`pages/${program}.tsx`)
  return [...files].filter(file => !own.includes(file))
}

import { useSignal } from '@preact/signals'
import type { ExportView } from '#protocol/exports.ts'
import { get, send } from '../data.ts'
import { whole } from '../format.ts'

const ASK_AGAIN_MS = 1_000

/** Everything that is public of a campaign, as files. */
export function Exports({ id }: { id: string }) {
  const at = `/api/v1/campaigns/${id}`
  return (
    <details class="exports">
      <summary>Export</summary>
      <p class="row">
        <a class="button" href={`${at}/export?format=csv`} download>
          All runs: CSV
        </a>
        <a class="button" href={`${at}/export`} download>
          NDJSON
        </a>
        <a class="button" href={`${at}/report/report.md`} download={`${id}.md`}>
          Report: Markdown
        </a>
        <Files id={id} />
      </p>
    </details>
  )
}

/** Files with checksums, which a job of the server makes. */
function Files({ id }: { id: string }) {
  const made = useSignal<ExportView | undefined>(undefined)
  const said = useSignal('')
  const make = async (): Promise<void> => {
    said.value = 'Being made …'
    try {
      made.value = await whenBuilt(id)
      said.value = made.value.detail ?? `${whole(made.value.rows ?? 0)} runs`
    } catch (error) {
      said.value = error instanceof Error ? error.message : String(error)
    }
  }
  return (
    <>
      <button type="button" onClick={() => void make()}>
        Parquet and a manifest
      </button>
      <span class="meta" role="status">
        {said.value}
      </span>
      {made.value?.files.map(({ name, sha256 }) => (
        <a key={name} href={`/api/v1/files/${sha256}`} download={name}>
          {name}
        </a>
      ))}
    </>
  )
}

async function whenBuilt(id: string): Promise<ExportView> {
  let view = await send<ExportView>('POST', `/campaigns/${id}/exports`)
  while (view.state === 'building') {
    await new Promise(resolve => setTimeout(resolve, ASK_AGAIN_MS))
    view = await get<ExportView>(`/exports/${view.id}`)
  }
  return view
}

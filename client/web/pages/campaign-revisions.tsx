import type { CampaignFile, CampaignView } from '#protocol/campaign.ts'
import type { RevisionList, RevisionView } from '#protocol/revisions.ts'
import { get, useResource } from '../data.ts'
import { differencesOf } from '../differences.ts'
import { useLive } from '../live.ts'
import { query } from '../router.ts'
import { Shown, When } from '../ui/parts.tsx'
import { Table } from '../ui/table.tsx'

/** Every text that the campaign's file had: who changed what, when and why. */
export function Revisions({ campaign: { id, revision } }: { campaign: CampaignView }) {
  const list = useLive(`revisions ${id}`, () => get<RevisionList>(`/campaigns/${id}/revisions`), {
    topics: [`campaign:${id}`],
  })
  const asked = Number(query.value.get('revision') ?? revision)
  return (
    <Shown from={list} what="the revisions">
      {({ revisions }) => (
        <>
          <ul class="items">
            {[...revisions].reverse().map(({ revision: number, at, author, reason }) => (
              <li key={number} class="row">
                <a
                  href={`/c/${id}?tab=revisions&revision=${number}`}
                  {...(number === asked ? { 'aria-current': 'true' as const } : {})}
                >
                  revision {number}
                </a>
                <span>{reason}</span>
                <span class="dim">by the {author}</span>
                <span class="grow" />
                <When at={at} />
              </li>
            ))}
          </ul>
          <Revision key={asked} id={id} number={asked} />
        </>
      )}
    </Shown>
  )
}

interface Pair {
  readonly file: CampaignFile
  readonly before: CampaignFile | undefined
}

function Revision({ id, number }: { id: string; number: number }) {
  const pair = useResource(`revision ${id} ${number}`, () => loadPair(id, number))
  return (
    <section>
      <h2>Revision {number}</h2>
      <Shown from={pair} what="the file">
        {({ file, before }) => (
          <>
            {before !== undefined && (
              <Table
                label="What changed"
                columns={[{ name: 'what', heads: true }, `revision ${number - 1}`, `revision ${number}`]}
                rows={differencesOf(before, file).map(({ path, from, to }) => ({
                  key: path,
                  cells: [path, <code key="a">{from}</code>, <code key="b">{to}</code>],
                }))}
              />
            )}
            <details open={before === undefined}>
              <summary>The whole file</summary>
              <pre>{JSON.stringify(file, null, 2)}</pre>
            </details>
          </>
        )}
      </Shown>
    </section>
  )
}

async function loadPair(id: string, number: number): Promise<Pair> {
  const fileOf = async (which: number): Promise<CampaignFile> =>
    (await get<RevisionView>(`/campaigns/${id}/revisions/${which}`)).file
  return { file: await fileOf(number), before: number > 1 ? await fileOf(number - 1) : undefined }
}

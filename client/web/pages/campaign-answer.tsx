import { useEffect, useRef } from 'preact/hooks'
import type { CampaignView } from '#protocol/campaign.ts'
import type { CompareView, TestList } from '#protocol/tests.ts'
import { answerOf, pairOf, watchedIn } from '../answer.ts'
import { Gauge } from '../charts/gauge.tsx'
import { get, Refusal, type Resource } from '../data.ts'
import { useLive } from '../live.ts'
import { Shown } from '../ui/parts.tsx'

/** What the answer is made of. */
export interface Known {
  readonly tests: TestList
  readonly compared: CompareView | undefined
}

/** The tests of a campaign, and the two recipes that its answer is about, kept current. */
export function useKnown(id: string, best: CampaignView['best']): Resource<Known> {
  const latest = useRef(best)
  const known = useLive(`answer ${id}`, () => loadKnown(id, latest.current), { topics: [`campaign:${id}`] })
  // It is read when the page is opened, and whenever another leads since.
  useEffect(() => {
    const isNew = latest.current?.experimentId !== best?.experimentId
    latest.current = best
    if (isNew) known.refresh()
  }, [known, best])
  return known
}

/** What is known now, how sure that is, and the evidence as it grows. */
export function Answer({ campaign, known }: { campaign: CampaignView; known: Resource<Known> }) {
  return (
    <Shown from={known} what="the answer">
      {({ tests, compared }) => {
        const pair = pairOf(tests, campaign.best)
        const isOfPair = compared?.a.experimentId === pair?.a && compared?.b.experimentId === pair?.b
        const told = isOfPair ? compared : undefined
        const { subject, says, caution } = answerOf({ campaign, tests, pair, compared: told })
        const watched = watchedIn(tests)
        return (
          <section class="answer" aria-label="The answer so far">
            <p class="prose">
              {subject !== undefined && pair !== undefined && (
                <>
                  <a href={`/e/${pair.a}`}>{subject}</a>{' '}
                </>
              )}
              {says}
            </p>
            {caution !== undefined && <p class="dim">{caution}</p>}
            {watched !== undefined && (
              <>
                {watched !== pair?.test && (
                  <p class="dim">
                    Now <a href={`/e/${watched.challenger}`}>another recipe</a> is tested against it:
                  </p>
                )}
                <Gauge {...watched} value={watched.llr} />
              </>
            )}
          </section>
        )
      }}
    </Shown>
  )
}

async function loadKnown(id: string, best: CampaignView['best']): Promise<Known> {
  const tests = await get<TestList>(`/campaigns/${id}/tests`)
  const pair = pairOf(tests, best)
  if (pair === undefined) return { tests, compared: undefined }
  const compared = await get<CompareView>(`/campaigns/${id}/compare?a=${pair.a}&b=${pair.b}`).catch(
    unlessUntold,
  )
  return { tests, compared }
}

/** A side may be waiting for the verifier: then the answer is told without it. */
function unlessUntold(error: unknown): undefined {
  if (error instanceof Refusal) return undefined
  throw error
}

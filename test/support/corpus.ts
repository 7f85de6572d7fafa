import { CorpusRow } from '#protocol/corpus.ts'
import { addMs, toWire } from '#protocol/units.ts'
import { runReport, sha256, T0, testIds } from './builders.ts'

/** A published run, as everybody sees it. */
export function corpusRow(changes: Partial<CorpusRow> = {}): CorpusRow {
  const { metric, curve, counters, fuelUsed, artifactSha256 } = runReport()
  return CorpusRow.parse({
    ...{ workUnitId: testIds.workUnit(T0), campaignId: testIds.campaign(T0) },
    ...{ experimentId: testIds.experiment(T0), resultId: testIds.result(T0), answeredFrom: null },
    ...{ runKey: sha256('run'), kernel: 'tiny@0', moduleSha256: sha256('module'), engine: 'wasm' },
    exactness: 'exact',
    ...{ data: 'fox@1', dataSha256: sha256('data'), recipe: { lr: 0.01, width: 16 }, seed: 7, rung: 3 },
    ...{ limit: { fuel: 1e9 }, status: 'ok', metricName: metric?.name, metricValue: metric?.value },
    ...{ fuelUsed, digest: sha256('digest'), artifactSha256, replicas: 2, publishedAt: toWire(addMs(T0, 1)) },
    ...{ counters, curve },
    ...changes,
  })
}

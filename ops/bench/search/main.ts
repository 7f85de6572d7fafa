/**
 * `npm run bench:search`: what the samplers, pruners and the sequential test are worth. Median simple regret over seeds on
 * seven functions, beside Debian's python3-optuna where it is installed. `--json FILE` writes the rows for programs;
 * `--seeds N` (21), `--functions a,b`, `--samplers a,b` and `--only regret,fidelity,promotions,asks,scale` ask for less. Exit
 * status 1 when a figure exceeds its reference.
 */
import { parseArgs } from 'node:util'
import { type Figure, holdAgainstReferences } from '../../figures.ts'
import { askTimes } from './asks.ts'
import { campaignErrors } from './campaigns.ts'
import { fidelityFigures } from './fidelity.ts'
import { startOptuna } from './optuna.ts'
import { promotionErrors } from './promotions.ts'
import { regretFigures } from './regret.ts'
import { scaleFigures } from './scale.ts'

const PARTS = 'regret,fidelity,promotions,asks,scale'

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: 'string' },
      seeds: { type: 'string', default: '21' },
      functions: { type: 'string' },
      samplers: { type: 'string' },
      only: { type: 'string', default: PARTS },
    },
  })
  const parts = values.only.split(',')
  const seeds = Number(values.seeds)
  const optuna = await startOptuna()
  const figures: Figure[] = [
    { name: 'optuna', value: optuna?.version ?? 'skipped: python3-optuna is not installed', unit: 'version' },
  ]
  if (parts.includes('regret'))
    figures.push(
      ...(await regretFigures({
        seeds,
        optuna,
        functions: values.functions?.split(','),
        samplers: values.samplers?.split(','),
      })),
    )
  if (parts.includes('fidelity')) figures.push(...(await fidelityFigures(seeds, optuna)))
  if (parts.includes('promotions')) figures.push(...promotionFigures(), ...campaignFigures())
  optuna?.stop()
  if (parts.includes('asks')) figures.push(...askTimes())
  if (parts.includes('scale')) figures.push(...(await scaleFigures()))
  await holdAgainstReferences(figures, values.json)
}

const CAMPAIGNS = 10_000

function promotionFigures(): Figure[] {
  return [0.5, 1].flatMap(effect => {
    const { falsely, missed } = promotionErrors({ campaigns: CAMPAIGNS, effect, seeds: 5 })
    return [
      { name: `promotions.false.effect_${effect}`, value: falsely, unit: 'share', reference: 0.05 },
      { name: `promotions.missed.effect_${effect}`, value: missed, unit: 'share', reference: 0.1 },
    ]
  })
}

// By the decision that campaigns make, with the scatter that three screening seeds show.
function campaignFigures(): Figure[] {
  return [0.5, 1].flatMap(effect => {
    const { falsely, missed } = campaignErrors({ campaigns: CAMPAIGNS, effect, seeds: 3 })
    return [
      { name: `campaigns.false.effect_${effect}`, value: falsely, unit: 'share', reference: 0.05 },
      { name: `campaigns.missed.effect_${effect}`, value: missed, unit: 'share', reference: 0.1 },
    ]
  })
}

await main()

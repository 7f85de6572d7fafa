import { HOWS } from '../exact/digest.ts'
import { CHROMIUM_MODES, type ExactEngine, nodeEngines, withChromium } from '../exact/engines.ts'
import type { Figure } from '../figures.ts'
import { builtKernel, kernelFolders } from '../kernels/build.ts'

/** Every kernel in every engine, straight and interrupted: the digests, and how many are the published one. */
export async function exactFigures(): Promise<readonly Figure[]> {
  const releases = await Promise.all(kernelFolders().map(builtKernel))
  const figures: Figure[] = []
  const wrong = new Map<string, number>()

  async function measure(engine: ExactEngine): Promise<void> {
    for (const { name, file } of releases)
      for (const how of HOWS) {
        const { digest, published, stops } = await engine.digest(file, how)
        const equal = digest === published
        const stopped = how === 'straight' ? how : `${how} ${stops} times`
        const row = `exact.${name}.${engine.program}.${engine.mode}.${stopped}`
        figures.push({ name: row, value: digest.slice(0, 12), unit: equal ? 'published' : 'OTHER' })
        wrong.set(name, (wrong.get(name) ?? 0) + (equal ? 0 : 1))
      }
  }

  for (const engine of nodeEngines()) await measure(engine)
  await withChromium(CHROMIUM_MODES, measure)
  return [
    ...figures,
    ...Array.from(wrong, ([name, value]) => ({
      name: `exact.${name}.wrong`,
      value,
      unit: 'digests',
      reference: 0,
    })),
  ]
}

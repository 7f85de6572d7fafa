/**
 * `npm run build`: every kernel of `assembly/` into `build/kernels/`, compiled, admitted, metered, packed. What is up to
 * date is left alone. `--publish` writes the module's hash to `assembly/<kernel>/release.json`.
 */
import { parseArgs } from 'node:util'
import { buildKernel, kernelFolders, publish, readPublished } from './kernels/build.ts'

const { values } = parseArgs({ options: { publish: { type: 'boolean', default: false } } })

for (const folder of kernelFolders()) {
  const { kernel, fresh } = await buildKernel(folder)
  const name = `${kernel.name}@${kernel.version}`
  if (values.publish) await publish(folder, kernel)
  if (fresh || values.publish) console.log(`${name}: module ${kernel.moduleSha256}`)
  const published = await readPublished(folder)
  if (published?.moduleSha256 !== kernel.moduleSha256) console.warn(differs(name))
}

/** Changed bytes execute other instruction counts, so a fuel limit buys other updates: results do not compare. */
function differs(name: string): string {
  return (
    `${name}: the module is not the published one. Its results would not equal those of earlier runs: give the manifest ` +
    'a new version, or, as long as no run of this version counts, `npm run build -- --publish`.'
  )
}

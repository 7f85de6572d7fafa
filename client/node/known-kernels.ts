import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256 } from '#protocol/canonical.ts'
import type { Sha256 } from '#protocol/units.ts'
import type { FileCache } from '#runtime/cache.ts'
import { type KnownRelease, knownRelease } from '#runtime/known-release.ts'
import { readRelease } from '#runtime/release.ts'

const BUILT = join(import.meta.dirname, '..', '..', 'build', 'kernels')

/** The kernels that were built in this repository; none in an installed client. Old builds without a self-test do not count. */
export async function builtReleases(directory = BUILT): Promise<KnownRelease[]> {
  const tars = (await readdir(directory).catch(() => [])).filter(name => name.endsWith('.tar')).sort()
  const known = await Promise.all(tars.map(async name => knownRelease(await readFile(join(directory, name)))))
  const testable = await Promise.all(known.map(isTestable))
  return known.filter((_, i) => testable[i])
}

async function isTestable({ release, moduleSha256 }: KnownRelease): Promise<boolean> {
  const content = await readRelease(release, moduleSha256)
  return content.ok && content.manifest.selfTest !== undefined
}

/** A kernel to test this machine with before it is given any work: the one it tested last, or one that was built here. */
export async function releaseAtHand(
  cache: FileCache,
  last: Sha256 | null,
): Promise<KnownRelease | undefined> {
  const bytes = last === null ? undefined : await cache.get(last)
  if (bytes !== undefined && (await sha256(bytes)) === last) {
    const known = await knownRelease(bytes)
    if (await isTestable(known)) return known
  }
  const [built] = await builtReleases()
  return built
}

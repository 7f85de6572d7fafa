// The self-test of one kernel, whose release comes on stdin, in the engine that this process was started with.

import { buffer } from 'node:stream/consumers'
import { Sha256 } from '#protocol/units.ts'
import { readRelease } from '#runtime/release.ts'
import { runJob } from '#runtime/run.ts'
import { freely, judgeEngine } from '#runtime/self-test.ts'

const moduleSha256 = Sha256.parse(process.argv[2])
const release = await readRelease(await buffer(process.stdin), moduleSha256)
console.log(JSON.stringify(release.ok ? await judged(release.manifest, release.module) : release))

async function judged(manifest: Parameters<typeof judgeEngine>[0]['manifest'], bytes: Uint8Array) {
  const module = await WebAssembly.compile(new Uint8Array(bytes))
  return judgeEngine({ manifest, moduleSha256, module }, task =>
    runJob(
      task,
      freely(() => performance.now()),
    ),
  )
}

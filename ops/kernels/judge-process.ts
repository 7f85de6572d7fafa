// Judges one kernel in the engine that this process was started with. In: JSON { manifest, module } on stdin, the module as
// base64. Out: the verdict as JSON.

import { text } from 'node:stream/consumers'
import { z } from 'zod'
import { sha256 } from '#protocol/canonical.ts'
import { KernelManifest, KernelSource } from '#protocol/kernel.ts'
import { judge } from './judge.ts'
import { selfTestData } from './runs.ts'

const Given = z.strictObject({ manifest: KernelSource, module: z.base64() })

const { manifest: source, module: base64 } = Given.parse(JSON.parse(await text(process.stdin)))
const bytes = new Uint8Array(Buffer.from(base64, 'base64'))
const { selfTest, ...rest } = source
const manifest = KernelManifest.parse(rest)
const [moduleSha256, module] = [await sha256(bytes), await WebAssembly.compile(bytes)]
const kernel = { manifest, moduleSha256, module, data: selfTestData(manifest, selfTest) }
console.log(JSON.stringify(await judge(kernel, selfTest, manifest)))

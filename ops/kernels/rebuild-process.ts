// Compiles the sources of a release again. In: JSON { manifest, source } on stdin, files as base64. Out: JSON.

import { text } from 'node:stream/consumers'
import { z } from 'zod'
import { KernelManifest } from '#protocol/kernel.ts'
import { rebuild } from './project.ts'

const Given = z.strictObject({ manifest: KernelManifest, source: z.record(z.string(), z.base64()) })

const { manifest, source } = Given.parse(JSON.parse(await text(process.stdin)))
const files = new Map(
  Object.entries(source).map(([path, base64]) => [path, new Uint8Array(Buffer.from(base64, 'base64'))]),
)
console.log(JSON.stringify(await rebuild(manifest, files)))

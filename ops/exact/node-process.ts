// `node [V8's flags] ops/exact/node-process.ts RELEASE straight|interrupted`: prints how the self-test ended, as JSON.

import { readFile } from 'node:fs/promises'
import { digestOf } from './digest.ts'

const [, , release = '', how] = process.argv
const tar = new Uint8Array(await readFile(release))
console.log(JSON.stringify(await digestOf(tar, how === 'interrupted' ? 'interrupted' : 'straight')))

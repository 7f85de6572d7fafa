import { parentPort, workerData } from 'node:worker_threads'
import { examineForeign } from './examine.ts'

const examined = await examineForeign(new Uint8Array(workerData))
if (examined.ok) {
  const { manifest, moduleSha256 } = examined.fit
  parentPort?.postMessage({ ok: true, manifest, moduleSha256 })
} else parentPort?.postMessage(examined)

import { expect, test } from 'vitest'
import { verifierArguments } from '../../client/node/commands/serve.ts'

test('the verifier beside a server offers what its operator says', () => {
  const ready = {
    ...{ type: 'ready' as const, url: 'http://127.0.0.1:1', serverId: 's', dataDir: '/data' },
    verifyTokenFile: '/data/token',
  }
  const words = verifierArguments(ready, { verifierCores: '2', verifierEngines: 'wasm,onnx-cpu' }).join(' ')
  expect(words).toMatch(/^verify --server http:\/\/127\.0\.0\.1:1 --token-file \/data\/token /)
  expect(words).toContain('--cores 2 --engines wasm,onnx-cpu --state-dir /data/verifier ')
})

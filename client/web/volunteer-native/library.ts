import { runtimeOf } from '#client/onnx/ort.ts'
import type { NativeRuntime } from '#client/onnx/tensors.ts'
import type { NativeClass } from '#protocol/engine.ts'

type Library = typeof import('onnxruntime-web/wasm')

/** The classes of a browser. */
export type WebClass = Extract<NativeClass, 'onnx-wasm' | 'onnx-webgpu'>

/** Of onnxruntime-web, whose files the build copies under these names; another version is another engine. */
export const VERSION = '1.30.0'

/** The files of each class, as ops/build-web.ts names them: the library, what it starts, and its WebAssembly. */
export function filesOf(engineClass: WebClass): { library: string; loader: string; wasm: string } {
  const stem = `/assets/ort-${VERSION}-${engineClass === 'onnx-webgpu' ? 'webgpu' : 'wasm'}`
  return { library: `${stem}.js`, loader: `${stem}-loader.js`, wasm: `${stem}.wasm` }
}

/** ONNX Runtime on one thread of this worker; its megabytes are fetched now. @throws where they are missing */
export async function loadLibrary(engineClass: WebClass): Promise<NativeRuntime> {
  const { library, loader, wasm } = filesOf(engineClass)
  const ort: Library = await import(/* @vite-ignore */ new URL(library, self.location.origin).href)
  ort.env.wasm.numThreads = 1 // the bits of another number are not looked into, and a core is what a run has
  ort.env.wasm.wasmPaths = {
    mjs: new URL(loader, self.location.origin).href,
    wasm: new URL(wasm, self.location.origin).href,
  }
  return runtimeOf(ort, {
    executionProviders: engineClass === 'onnx-webgpu' ? ['webgpu', 'wasm'] : ['wasm'],
  })
}

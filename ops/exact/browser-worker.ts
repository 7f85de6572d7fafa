// The same in a web worker: `?release=ADDRESS&how=straight|interrupted` in its own address; posts how it ended.

import { digestOf } from './digest.ts'

const wanted = new URL(self.location.href).searchParams

async function answer(): Promise<unknown> {
  const response = await fetch(wanted.get('release') ?? '')
  if (!response.ok) throw new Error(`${response.url}: ${response.status}`)
  const tar = new Uint8Array(await response.arrayBuffer())
  return digestOf(tar, wanted.get('how') === 'interrupted' ? 'interrupted' : 'straight')
}

answer().then(
  ended => self.postMessage(ended),
  error => self.postMessage({ error: String(error) }),
)

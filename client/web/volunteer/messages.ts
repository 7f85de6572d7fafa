// What the volunteer's worker and the tabs of this browser say to each other.

import type { Control } from '#runtime/agent-state.ts'
import type { Snapshot } from '#runtime/snapshot.ts'
import type { Settings, Signals } from './presets.ts'

/** One browser profile is one volunteer: whoever holds this Web Lock. */
export const LOCK = 'xeenet-volunteer'
/** The BroadcastChannel between the worker and all tabs. */
export const CHANNEL = 'xeenet-volunteer'
/** The IndexedDB database of the volunteer: named here, since a page that only looks for it needs nothing of the store. */
export const DATABASE = 'xeenet'
/** What is kept in Cache Storage, by hash; named here as well, since the Start page only asks how large it is. */
export const FILES = 'xeenet-files'

export type Command =
  | { readonly type: 'control'; readonly to: Control }
  | { readonly type: 'settings'; readonly settings: Settings }
  /** Ask the server what became of results. */
  | { readonly type: 'inquire' }
  | { readonly type: 'stop' }

/** To the worker, from the tab that started it. */
export type ToWorker =
  | { readonly type: 'start'; readonly settings: Settings; readonly signals: Signals }
  | { readonly type: 'signals'; readonly signals: Signals }

/** To the tab that started it. `taken`: another tab already volunteers. */
export type FromWorker = { readonly type: 'taken' }

/** On the channel. */
export type Said =
  | { readonly type: 'hello' }
  | { readonly type: 'command'; readonly command: Command }
  | { readonly type: 'snapshot'; readonly snapshot: Snapshot }

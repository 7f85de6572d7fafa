import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { CampaignView, ValidateReply } from '#protocol/campaign.ts'
import type { DatasetManifest } from '#protocol/dataset.ts'
import type { KernelManifest } from '#protocol/kernel.ts'
import type { DatasetList, KernelList } from '#protocol/lists.ts'
import { call, isAllowed, TokenField, token } from '../bearer.tsx'
import { get, Refusal, useResource } from '../data.ts'
import { go } from '../router.ts'
import { useTitle } from '../title.ts'
import { command } from '../ui/command.tsx'
import { Empty, Shown } from '../ui/parts.tsx'
import { fileOf, formFor } from './submit-draft.ts'
import { SubmitForm } from './submit-form.tsx'
import { QuoteView } from './submit-quote.tsx'

interface Stock {
  readonly kernels: readonly KernelManifest[]
  readonly datasets: readonly DatasetManifest[]
}

const loadStock = async (): Promise<Stock> => {
  const { kernels } = await get<KernelList>('/kernels')
  const offered = kernels.filter(({ deprecated }) => !deprecated).map(({ manifest }) => manifest)
  return { kernels: offered, datasets: (await get<DatasetList>('/datasets')).datasets }
}

/** A new campaign: the form writes the file, the server checks it as it is written. */
export function SubmitPage() {
  useTitle('New campaign')
  const stock = useResource('stock', loadStock)
  return (
    <>
      <h1>New campaign</h1>
      <p>
        Fill in the form, or edit the file: what stands in the file is what is submitted. It is checked while
        you write, and nothing is reserved before you submit.
      </p>
      <Shown from={stock} what="the kernels">
        {known =>
          known.kernels.length === 0 ? <Empty>This server has no kernel yet.</Empty> : <Draft stock={known} />
        }
      </Shown>
    </>
  )
}

/** The data sets that a kernel can read: they have its splits. */
export const dataFor = ({ slots }: KernelManifest, datasets: readonly DatasetManifest[]): string[] =>
  datasets
    .filter(
      ({ splits }) => slots.length > 0 && slots.every(slot => splits.some(({ name }) => name === slot.split)),
    )
    .toSorted((a, b) => bytesOf(a) - bytesOf(b))
    .map(({ name, version }) => `${name}@${version}`)

const bytesOf = ({ splits }: DatasetManifest): number => splits.reduce((sum, { bytes }) => sum + bytes, 0)

type Checked =
  | { readonly state: 'checking' }
  | { readonly state: 'good'; readonly reply: ValidateReply }
  | { readonly state: 'bad'; readonly why: string; readonly line: number | undefined }

// Of silence before what was written is checked: a thought, not a keystroke.
const PAUSE_MS = 500

function Draft({ stock: { kernels, datasets } }: { stock: Stock }) {
  const [first] = kernels
  const form = useSignal(first === undefined ? undefined : formFor(first, dataFor(first, datasets)[0] ?? ''))
  const manifestOf = (name: string): KernelManifest | undefined =>
    kernels.find(kernel => `${kernel.name}@${kernel.version}` === name)
  const text = useSignal(first === undefined || form.value === undefined ? '' : fileOf(form.value, first))
  const byHand = useSignal(false)
  const checked = useSignal<Checked>({ state: 'checking' })
  useEffect(() => {
    const asked = text.value
    checked.value = { state: 'checking' }
    const timer = setTimeout(async () => {
      const answer = await check(asked)
      if (text.value === asked) checked.value = answer
    }, PAUSE_MS)
    return () => clearTimeout(timer)
  }, [text.value, token.value])
  if (form.value === undefined) return null
  return (
    <div class="two">
      <SubmitForm
        form={form.value}
        kernels={kernels}
        dataOf={name => {
          const manifest = manifestOf(name)
          return manifest === undefined ? [] : dataFor(manifest, datasets)
        }}
        onChange={next => {
          const manifest = manifestOf(next.kernel)
          if (manifest === undefined) return
          const isSame = next.kernel === form.value?.kernel
          form.value = isSame ? next : formFor(manifest, dataFor(manifest, datasets)[0] ?? '')
          text.value = fileOf(form.value, manifest)
          byHand.value = false
        }}
      />
      <section aria-label="The file">
        <FileText
          text={text.value}
          line={checked.value.state === 'bad' ? checked.value.line : undefined}
          onInput={value => {
            text.value = value
            byHand.value = true
          }}
        />
        {byHand.value && (
          <p class="meta">Edited by hand: the next change in the form writes the file anew.</p>
        )}
        <Verdict of={checked.value} />
        <Sending text={text.value} ready={checked.value.state === 'good'} />
      </section>
    </div>
  )
}

async function check(text: string): Promise<Checked> {
  try {
    return { state: 'good', reply: await call<ValidateReply>('POST', '/campaigns/validate', text) }
  } catch (error) {
    if (!(error instanceof Refusal)) return { state: 'bad', why: String(error), line: undefined }
    const { title, detail, hint, line } = error.problem
    return { state: 'bad', why: `${detail ?? title}. ${hint}`, line }
  }
}

interface FileTextProps {
  readonly text: string
  /** Where something is wrong. */
  readonly line: number | undefined
  onInput(text: string): void
}

function FileText({ text, line, onInput }: FileTextProps) {
  const area = useRef<HTMLTextAreaElement>(null)
  const show = (): void => {
    if (area.current === null || line === undefined) return
    const before = text
      .split('\n')
      .slice(0, line - 1)
      .join('\n').length
    const from = line === 1 ? 0 : before + 1
    area.current.focus()
    area.current.setSelectionRange(from, from + (text.split('\n')[line - 1]?.length ?? 0))
  }
  return (
    <>
      <label for="file">The file</label>
      <textarea
        id="file"
        ref={area}
        rows={26}
        spellcheck={false}
        value={text}
        aria-invalid={line !== undefined}
        onInput={event => onInput(event.currentTarget.value)}
      />
      {line !== undefined && (
        <button type="button" class="quiet" onClick={show}>
          Show line {line}
        </button>
      )}
    </>
  )
}

function Verdict({ of: checked }: { of: Checked }) {
  switch (checked.state) {
    case 'checking':
      return (
        <p class="dim" role="status">
          Checking …
        </p>
      )
    case 'bad':
      return (
        <p class="notice bad" role="alert">
          {checked.line !== undefined && `Line ${checked.line}: `}
          {checked.why}
        </p>
      )
    case 'good':
      return <QuoteView of={checked.reply} />
  }
}

function Sending({ text, ready }: { text: string; ready: boolean }) {
  const why = useSignal('')
  const sending = useSignal(false)
  const key = useSignal(crypto.randomUUID())
  const submit = async (): Promise<void> => {
    sending.value = true
    why.value = ''
    try {
      // The same key until it is done: pressed twice, or after a lost answer, it is one campaign.
      const { id } = await call<CampaignView>('POST', '/campaigns', text, { 'idempotency-key': key.value })
      go(`/c/${id}`)
    } catch (error) {
      why.value = error instanceof Error ? error.message : String(error)
      if (error instanceof Refusal) key.value = crypto.randomUUID()
    }
    sending.value = false
  }
  return (
    <>
      <TokenField scope="campaign" />
      <p class="row">
        <button
          type="button"
          class="primary"
          disabled={!ready || sending.value || !isAllowed('campaign')}
          onClick={() => void submit()}
        >
          Submit
        </button>
        <a
          class="button"
          download="campaign.yaml"
          href={`data:text/yaml;charset=utf-8,${encodeURIComponent(text)}`}
        >
          Download
        </a>
        <span class="meta">
          {!isAllowed('campaign') && `At the command line: ${command('campaign submit campaign.yaml')}`}
        </span>
      </p>
      {why.value !== '' && (
        <p class="notice bad" role="alert">
          {why.value}
        </p>
      )}
    </>
  )
}

import type { ComponentChildren } from 'preact'
import type { KernelManifest, ParameterSchema } from '#protocol/kernel.ts'
import { type Chosen, type Form, SAMPLERS } from './submit-draft.ts'

interface SubmitFormProps {
  readonly form: Form
  readonly kernels: readonly KernelManifest[]
  dataOf(kernel: string): readonly string[]
  onChange(form: Form): void
}

/** The fields of a campaign, and a row for each parameter of its kernel. */
export function SubmitForm({ form, kernels, dataOf, onChange }: SubmitFormProps) {
  const set = (change: Partial<Form>): void => onChange({ ...form, ...change })
  const manifest = kernels.find(({ name, version }) => `${name}@${version}` === form.kernel)
  return (
    <form class="fields" onSubmit={event => event.preventDefault()}>
      <Text label="Title" value={form.title} onInput={title => set({ title })} />
      <Text label="Question" value={form.question} onInput={question => set({ question })} />
      <Select
        label="Kernel"
        value={form.kernel}
        values={kernels.map(({ name, version }) => `${name}@${version}`)}
        onChange={kernel => set({ kernel })}
      />
      {form.data !== '' && (
        <Select
          label="Data set"
          value={form.data}
          values={dataOf(form.kernel)}
          onChange={data => set({ data })}
        />
      )}
      <Text label="Experiments" numeric value={form.runs} onInput={runs => set({ runs })} />
      <Text label="Gfuel a run" numeric value={form.gfuel} onInput={gfuel => set({ gfuel })} />
      <Text label="Seeds each" numeric value={form.seeds} onInput={seeds => set({ seeds })} />
      <Text label="Equal results each" numeric value={form.quorum} onInput={quorum => set({ quorum })} />
      <Text label="Credits, at most" numeric value={form.credits} onInput={credits => set({ credits })} />
      <Select label="Sampler" value={form.sampler} values={SAMPLERS} onChange={sampler => set({ sampler })} />
      {manifest !== undefined &&
        Object.entries(manifest.recipe.properties).map(([name, schema]) => {
          const chosen = form.parameters[name]
          return chosen === undefined ? null : (
            <Parameter
              key={`${form.kernel} ${name}`}
              name={name}
              schema={schema}
              chosen={chosen}
              onChange={next => set({ parameters: { ...form.parameters, [name]: next } })}
            />
          )
        })}
    </form>
  )
}

interface ParameterProps {
  readonly name: string
  readonly schema: ParameterSchema
  readonly chosen: Chosen
  onChange(chosen: Chosen): void
}

const HOWS = ['default', 'fixed', 'varied'] as const

function Parameter({ name, schema, chosen, onChange }: ParameterProps) {
  const set = (change: Partial<Chosen>): void => onChange({ ...chosen, ...change })
  const about = schema.description === undefined ? '' : `${schema.description}. `
  const range = schema.type === 'string' ? schema.enum.join(', ') : `${schema.minimum} to ${schema.maximum}`
  return (
    <fieldset>
      <legend class="mono">{name}</legend>
      <div class="row">
        <select
          aria-label={`${name}: default, fixed or varied`}
          value={chosen.how}
          onChange={event => {
            const how = HOWS.find(word => word === event.currentTarget.value)
            if (how !== undefined) set({ how })
          }}
        >
          {HOWS.map(how => (
            <option key={how}>{how}</option>
          ))}
        </select>
        {chosen.how === 'fixed' && (
          <Part label={`${name} value`} value={chosen.value} onInput={value => set({ value })} />
        )}
        {chosen.how === 'varied' && schema.type === 'string' && (
          <Part label={`${name} choices`} value={chosen.choices} onInput={choices => set({ choices })} />
        )}
        {chosen.how === 'varied' && schema.type !== 'string' && (
          <>
            <Part label={`${name} from`} value={chosen.low} onInput={low => set({ low })} />
            to
            <Part label={`${name} to`} value={chosen.high} onInput={high => set({ high })} />
          </>
        )}
      </div>
      <p class="meta">
        {about}default {String(schema.default)}, {range}
      </p>
    </fieldset>
  )
}

interface PartProps {
  readonly label: string
  readonly value: string
  onInput(value: string): void
}

const Part = ({ label, value, onInput }: PartProps) => (
  <input aria-label={label} size={8} value={value} onInput={event => onInput(event.currentTarget.value)} />
)

const Field = ({ label, children }: { label: string; children: ComponentChildren }) => (
  // biome-ignore lint/a11y/noLabelWithoutControl: the control is among the children
  <label class="field">
    <span>{label}</span>
    {children}
  </label>
)

const Text = ({ label, value, numeric = false, onInput }: PartProps & { numeric?: boolean }) => (
  <Field label={label}>
    <input
      value={value}
      {...(numeric ? { inputMode: 'decimal' as const } : {})}
      onInput={event => onInput(event.currentTarget.value)}
    />
  </Field>
)

interface SelectProps {
  readonly label: string
  readonly value: string
  readonly values: readonly string[]
  onChange(value: string): void
}

const Select = ({ label, value, values, onChange }: SelectProps) => (
  <Field label={label}>
    <select value={value} onChange={event => onChange(event.currentTarget.value)}>
      {values.map(each => (
        <option key={each}>{each}</option>
      ))}
    </select>
  </Field>
)

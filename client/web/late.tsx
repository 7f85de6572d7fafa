import { useSignal } from '@preact/signals'
import { type ComponentType, h } from 'preact'
import { useMemo } from 'preact/hooks'

/** A page, or a part of one, whose program is loaded when it is first shown. */
export function late<Props extends object>(load: () => Promise<ComponentType<Props>>): ComponentType<Props> {
  let known: ComponentType<Props> | undefined
  return function Late(props: Props) {
    const shown = useSignal(known === undefined ? undefined : { component: known })
    const failed = useSignal(false)
    // Under way with the first drawing, not only after it.
    useMemo(() => {
      if (known !== undefined) return
      load().then(
        component => {
          known = component
          shown.value = { component }
        },
        () => {
          failed.value = true
        },
      )
    }, [shown, failed])
    if (failed.value)
      return <p role="alert">This part could not be loaded. Are you offline? Reload to try again.</p>
    const loaded = shown.value?.component
    return loaded === undefined ? (
      <p class="dim" role="status">
        Loading …
      </p>
    ) : (
      h(loaded, props)
    )
  }
}

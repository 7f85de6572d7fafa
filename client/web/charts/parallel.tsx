import { useEffect, useRef } from 'preact/hooks'
import { scheme } from '../theme.ts'
import { type Axis, brushed } from './axes.ts'
import { colour } from './colour.ts'

interface ParallelProps {
  readonly axes: readonly Axis[]
  /** Which experiments fit the filter; the first is the best. */
  readonly fits: readonly boolean[]
  readonly filter: string
  readonly onFilter: (filter: string) => void
  readonly label: string
}

const HEIGHT = 260
const [TOP, BOTTOM, SIDE] = [28, 20, 48]
const BRUSH_PX_MIN = 3 // less is a click

/** One line for each experiment across all axes: those that fit the filter in colour, the best on top. Dragging along an axis filters. */
export function Parallel({ axes, fits, filter, onFilter, label }: ParallelProps) {
  const place = useRef<HTMLCanvasElement>(null)
  const from = useRef<{ readonly axis: Axis; readonly y: number } | undefined>(undefined)
  useEffect(() => {
    const canvas = place.current
    if (canvas === null) return
    const redraw = (): void => draw(canvas, axes, fits)
    redraw()
    const resized = new ResizeObserver(redraw)
    resized.observe(canvas)
    return () => resized.disconnect()
  }, [axes, fits, scheme.value])
  const axisAt = (event: MouseEvent): Axis | undefined => {
    const width = place.current?.clientWidth ?? 1
    return axes[Math.round(((event.offsetX - SIDE) / (width - 2 * SIDE)) * (axes.length - 1))]
  }
  return (
    <canvas
      ref={place}
      class="parallel"
      role="img"
      aria-label={label}
      onPointerDown={event => {
        const axis = axisAt(event)
        from.current = axis === undefined ? undefined : { axis, y: event.offsetY }
        event.currentTarget.setPointerCapture(event.pointerId)
      }}
      onPointerUp={event => {
        const began = from.current
        from.current = undefined
        if (began === undefined || Math.abs(event.offsetY - began.y) < BRUSH_PX_MIN) return
        const range = [heightAt(began.y), heightAt(event.offsetY)] as const
        onFilter(brushed(filter, began.axis, { range, adds: event.shiftKey }))
      }}
      onDblClick={event => {
        const axis = axisAt(event)
        if (axis !== undefined) onFilter(brushed(filter, axis, { range: undefined, adds: true }))
      }}
    />
  )
}

const heightAt = (y: number): number => 1 - (y - TOP) / (HEIGHT - TOP - BOTTOM)

function draw(canvas: HTMLCanvasElement, axes: readonly Axis[], fits: readonly boolean[]): void {
  const pen = canvas.getContext('2d')
  if (pen === null) return
  const [width, ratio] = [canvas.clientWidth, devicePixelRatio]
  canvas.width = Math.round(width * ratio)
  canvas.height = Math.round(HEIGHT * ratio)
  pen.scale(ratio, ratio)
  const x = axes.map((_, i) => SIDE + (i * (width - 2 * SIDE)) / Math.max(1, axes.length - 1))
  const lines = (which: (i: number) => boolean, token: string, alpha: number, thick: number): void => {
    pen.beginPath()
    for (let i = 0; i < fits.length; i++) if (which(i)) trace(pen, axes, x, i)
    pen.globalAlpha = alpha
    pen.strokeStyle = colour(token)
    pen.lineWidth = thick
    pen.stroke()
  }
  const all = fits.every(Boolean)
  if (!all) lines(i => fits[i] !== true, 'ink-3', 0.12, 0.5)
  lines(i => fits[i] === true, 'series-1', 0.35, 0.75)
  const best = fits.indexOf(true)
  lines(i => i === best, 'champion', 1, 2)
  pen.globalAlpha = 1
  labels(pen, axes, x)
}

function trace(pen: CanvasRenderingContext2D, axes: readonly Axis[], x: readonly number[], i: number): void {
  let isDown = false
  axes.forEach(({ at }, a) => {
    const height = at[i] ?? Number.NaN
    if (Number.isNaN(height)) {
      isDown = false // it has no such parameter: the line is broken there
      return
    }
    const [px, py] = [x[a] ?? 0, TOP + (1 - height) * (HEIGHT - TOP - BOTTOM)]
    if (isDown) pen.lineTo(px, py)
    else pen.moveTo(px, py)
    isDown = true
  })
}

function labels(pen: CanvasRenderingContext2D, axes: readonly Axis[], x: readonly number[]): void {
  pen.strokeStyle = colour('edge')
  pen.lineWidth = 1
  pen.textAlign = 'center'
  const ink = colour('ink-2')
  const font = getComputedStyle(document.body).fontFamily
  axes.forEach(({ name, title = name, ends }, a) => {
    const px = x[a] ?? 0
    pen.beginPath()
    pen.moveTo(px, TOP)
    pen.lineTo(px, HEIGHT - BOTTOM)
    pen.stroke()
    pen.fillStyle = ink
    pen.font = `600 12px ${font}`
    pen.fillText(title, px, 10)
    pen.font = `12px ${font}`
    pen.fillText(ends[1], px, TOP - 5)
    pen.fillText(ends[0], px, HEIGHT - 5)
  })
}

import { useLayoutEffect, useRef } from 'preact/hooks'
import { scheme } from '../theme.ts'
import { type Axis, brushed } from './axes.ts'
import { colour } from './colour.ts'
import { type Densities, densityOf } from './density.ts'

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
  // In the frame that shows the rows of the same filter, not in one after it.
  useLayoutEffect(() => {
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
  // Giving a canvas a size empties it, and takes memory: not where nothing but the filter changed.
  const size = { width: Math.round(width * ratio), height: Math.round(HEIGHT * ratio) }
  if (canvas.width !== size.width || canvas.height !== size.height) Object.assign(canvas, size)
  pen.setTransform(ratio, 0, 0, ratio, 0, 0)
  pen.clearRect(0, 0, width, HEIGHT)
  const x = axes.map((_, i) => SIDE + (i * (width - 2 * SIDE)) / Math.max(1, axes.length - 1))
  const inks: Inks = { fitting: channelsOf('series-1'), others: channelsOf('ink-3') }
  axes.slice(1).forEach((right, i) => {
    const from = axes[i]
    const [begin = 0, end = 0] = [x[i], x[i + 1]]
    if (from === undefined || end - begin < 1) return
    const room = {
      columns: Math.round((end - begin) * ratio),
      rows: Math.round((HEIGHT - TOP - BOTTOM) * ratio),
    }
    const densities = densityOf({ left: from.at, right: right.at, ...room }, fits)
    pen.putImageData(paint(densities, { ...room, inks }), Math.round(begin * ratio), Math.round(TOP * ratio))
  })
  best(pen, { axes, x, of: fits.indexOf(true) })
  labels(pen, axes, x)
}

type Channels = readonly [red: number, green: number, blue: number]
type Inks = Readonly<Record<keyof Densities, Channels>>

interface Sheet {
  readonly columns: number
  readonly rows: number
  readonly inks: Inks
}

/** Colours for how many lines cross each cell: those that fit over the others. */
function paint({ fitting, others }: Densities, { columns, rows, inks }: Sheet): ImageData {
  const image = new ImageData(columns, rows)
  const cells = new Uint32Array(image.data.buffer)
  const [ofFitting, ofOthers] = [paletteOf(inks.fitting, fitting, 1), paletteOf(inks.others, others, QUIET)]
  for (let cell = 0; cell < cells.length; cell++) {
    const fit = fitting[cell] ?? 0
    cells[cell] = (fit > 0 ? ofFitting[fit] : ofOthers[others[cell] ?? 0]) ?? 0
  }
  return image
}

// Few lines are seen one by one; of many, where most of them run.
const FAINTEST = 0.16
const QUIET = 0.3
const strength = (count: number, most: number): number =>
  most <= 1 ? 0.7 : FAINTEST + (1 - FAINTEST) * (Math.log(count) / Math.log(most))

/** The pixel for each count, from none to the greatest. */
function paletteOf([red, green, blue]: Channels, counts: Uint32Array, share: number): Uint32Array {
  const most = greatest(counts)
  const pixels = new Uint8ClampedArray(4 * (most + 1))
  for (let count = 1; count <= most; count++)
    pixels.set([red, green, blue, 255 * share * strength(count, most)], 4 * count)
  return new Uint32Array(pixels.buffer)
}

function greatest(counts: Uint32Array): number {
  let most = 0
  for (const count of counts) if (count > most) most = count
  return most
}

/** Red, green and blue of a colour token. */
function channelsOf(token: string): Channels {
  const [red = 0, green = 0, blue = 0] = (colour(token).match(/[\d.]+/g) ?? []).map(Number)
  return [red, green, blue]
}

/** The best that fits, across everything. */
function best(
  pen: CanvasRenderingContext2D,
  { axes, x, of: i }: { readonly axes: readonly Axis[]; readonly x: readonly number[]; readonly of: number },
): void {
  if (i < 0) return
  pen.beginPath()
  trace(pen, axes, x, i)
  pen.strokeStyle = colour('champion')
  pen.lineWidth = 2
  pen.stroke()
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

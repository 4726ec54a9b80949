import { find, onClick } from './find.ts'
import type { Line } from './narrate.ts'

const remembered = 200

/** Later tabs share the last lane. */
const mostLanes = 4

/** After so many ms of silence something new begins. */
const silence = 1000

export interface Timeline {
  add(tab: string, line: Line): void
}

/** A lane per tab, the newest line on top. A tab that says the same again is not listened to. */
export function showTimeline(): Timeline {
  const list = find('timeline', HTMLOListElement)
  const said = new Map<string, string>()
  let lanes = 2
  let last = 0
  onClick('clear-timeline', () => list.replaceChildren())

  return {
    add: (tab, line) => {
      if (said.get(tab) === line.text) return
      said.set(tab, line.text)
      const lane = Math.min(tab.charCodeAt(0) - 'A'.charCodeAt(0), mostLanes - 1)
      lanes = Math.max(lanes, lane + 1)
      list.style.setProperty('--lanes', String(lanes))

      const tag = element('span', 'tag', tab)
      tag.dataset.tab = tab
      tag.style.setProperty('--lane', String(lane))
      const track = element('span', 'lanes')
      track.append(tag)
      const row = element('li', line.tone)
      row.classList.toggle('begins', performance.now() - last > silence)
      last = performance.now()
      row.append(element('time', '', timeOfDay()), track, element('span', 'text', line.text))
      list.prepend(row)
      while (list.childElementCount > remembered) list.lastElementChild?.remove()
    },
  }
}

function element(name: string, className: string, text = ''): HTMLElement {
  const made = document.createElement(name)
  made.className = className
  made.textContent = text
  return made
}

/** By the real clock, because the page's `Date` is one of the knobs. */
function timeOfDay(): string {
  const now = new Date(performance.timeOrigin + performance.now())
  const tenths = Math.floor(now.getMilliseconds() / 100)
  return `${now.toLocaleTimeString('en-GB')}.${tenths}`
}

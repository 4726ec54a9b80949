import { find, show } from './find.ts'
import { openTabs } from './tabs.ts'

const rhythm = 1000

/** Shows which tab this is and how many there are. Returns a function that names another one, if there is one. */
export function showTabs(here: string): () => string | null {
  let others: readonly string[] = []
  const signOutElsewhere = find('sign-out-elsewhere', HTMLButtonElement)
  find('tab-letter', HTMLElement).dataset.tab = here
  show('tab-letter', here)
  show('tab-name', here)
  document.title = `${here} · Latchkey demo`

  async function look(): Promise<void> {
    others = (await openTabs()).filter((letter) => letter !== here)
    const [other] = others
    show('tab-count', other ? `${others.length + 1} are open` : 'the only one open')
    show('sign-out-elsewhere', other ? `Sign out in tab ${other}` : 'Sign out in another tab')
    signOutElsewhere.disabled = !other
  }

  look()
  setInterval(look, rhythm)
  return () => others[0] ?? null
}

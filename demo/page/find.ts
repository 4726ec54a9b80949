/** The element of the page with this id, which index.html promises to have. */
export function find<Kind extends Element>(id: string, kind: new () => Kind): Kind {
  const element = document.getElementById(id)
  if (!(element instanceof kind)) throw new Error(`index.html has no ${kind.name} #${id}`)
  return element
}

export function show(id: string, text: string | number): void {
  const element = find(id, HTMLElement)
  if (element.textContent !== String(text)) element.textContent = String(text)
}

export function onClick(id: string, act: () => unknown): void {
  find(id, HTMLElement).addEventListener('click', act)
}

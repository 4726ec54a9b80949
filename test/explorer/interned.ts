/** Gives equal texts the same small number, so that big things are compared and kept as numbers. */
export interface Interned {
  readonly idOf: (text: string) => number
  readonly textOf: (id: number) => string
  readonly size: () => number
}

export function createInterned(): Interned {
  const ids = new Map<string, number>()
  const texts: string[] = []
  return {
    idOf(text) {
      const known = ids.get(text)
      if (known !== undefined) return known
      ids.set(text, texts.length)
      return texts.push(text) - 1
    },
    textOf: (id) => texts[id] as string, // every id was given here
    size: () => texts.length,
  }
}

/** A token that prints as `[secret]`, whoever prints it and however. {@link reveal} is called where it is sent or stored, and nowhere else. */
export interface Secret {
  readonly toString: () => string
  readonly toJSON: () => string
}

// The one memory that a module keeps: what a secret says is reachable only through the secret itself.
const values = /* @__PURE__ */ new WeakMap<object, unknown>()

export function secret(value: string): Secret {
  const print = () => '[secret]'
  return seal({ toString: print, toJSON: print }, value)
}

/** Do both say the same, or neither anything? */
export const isSame = (one: Secret | null, other: Secret | null): boolean => open(one) === open(other)

export const reveal = (sealed: Secret): string => open(sealed) as string // only `secret` makes a Secret

/** Puts `content` behind `cover`, which shows nothing of it. How `latchkey/oauth` hands tokens to `session.signIn`. */
export function seal<Cover extends object>(cover: Cover, content: unknown): Cover {
  values.set(cover, content)
  return Object.freeze(cover)
}

/** What was put behind `cover`; `undefined` if nothing was. */
export const open = (cover: unknown): unknown => values.get(cover as object) // a WeakMap has nothing under a primitive

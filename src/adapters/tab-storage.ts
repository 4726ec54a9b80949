/**
 * What a tab keeps over a visit to another site: a sign-in that has begun, which is of use to this tab alone (REQ-82). Never a token.
 * Throws where storage is refused.
 */
export const tabStorage = {
  read: (key: string): string | null => sessionStorage.getItem(key),
  write: (key: string, value: string): void => sessionStorage.setItem(key, value),
  remove: (key: string): void => sessionStorage.removeItem(key),
  keys: (): readonly string[] => Object.keys(sessionStorage),
}

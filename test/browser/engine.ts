import type { Page } from 'playwright-core'

/** What the tests that run in every engine ask of a browser, whoever drives it. */
export interface Engine {
  readonly name: string
  /** Does it keep pages for the way back, as the tests launch it? */
  readonly keepsPages: boolean
  launch(): Promise<EngineBrowser>
}

export interface EngineBrowser {
  /** A profile that is new, and gone when it is closed. One at a time: WebKit's driver has no second. */
  openProfile(): Promise<Profile>
  close(): Promise<void>
}

/** What tabs share: storage, locks, channels. */
export interface Profile {
  open(url: string): Promise<Tab>
  close(): Promise<void>
}

/** As Playwright's pages are. */
export interface Tab extends Pick<Page, 'evaluate'> {
  goto(url: string): Promise<unknown>
  reload(): Promise<unknown>
  /** Resolves when the way back has begun, or is done. */
  back(): Promise<unknown>
  close(): Promise<unknown>
}

import type { MonotonicMs, Ms } from './core/time.ts'
import type { StepUpChallenge } from './fetch/challenge.ts'
import type { Clock } from './ports.ts'

/** An API may be wrong, or worse: its users are asked once a minute on its behalf, whatever it says (REQ-103, RFC 9470 §9). */
const pause: Ms = 60_000

/** What users were asked on behalf of an API last. It is not asked again until then: as long as it is open, and for a minute. */
interface Question {
  readonly answered: Promise<unknown>
  until: MonotonicMs
}

/** Is there nothing left to ask? */
export type IsMoot = () => boolean

/** Has one question put at a time. Resolves when it has been answered, or is moot when its turn comes. `put` must not reject. */
export function oneAtATime(put: (challenge: StepUpChallenge, isMoot: IsMoot) => Promise<unknown>, { now }: Clock) {
  const byUserAndOrigin = new Map<string, Question>()
  let last: Promise<unknown> = Promise.resolve()
  return (user: string | null | undefined, challenge: StepUpChallenge, isMoot: IsMoot): Promise<unknown> => {
    const key = `${challenge.origin} ${user}`
    const known = byUserAndOrigin.get(key)
    if (known && now().mono < known.until) return known.answered
    last = last.then(async () => {
      const isAsked = !isMoot()
      if (isAsked) await put(challenge, isMoot)
      question.until = isAsked ? now().mono + pause : 0
    })
    const question: Question = { answered: last, until: Infinity }
    byUserAndOrigin.set(key, question)
    return last
  }
}

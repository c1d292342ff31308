import { useTraining } from '@onyx-sync/client/react'
import { Switch } from '../parts/switch.js'
import { orToast } from '../parts/toasts.js'
import { counted } from '../parts/words.js'

/** Whether its user agrees to contribute replies, which is off until then. */
export function TrainingSettings() {
  const { hasConsent, contributions, training } = useTraining()
  return (
    <>
      <Switch
        label="I agree to contribute replies that I choose, one by one"
        isOn={hasConsent}
        onChange={(isOn) => void orToast(training?.setConsent(isOn))}
        isWide
      />
      <p className="aside">
        Nothing is sent by this alone. When you take it back, what your devices haven’t sent yet isn’t sent
        any more.{' '}
        {contributions.length > 0 &&
          `${counted(contributions.length, 'reply', 'replies')} contributed from here.`}
      </p>
    </>
  )
}

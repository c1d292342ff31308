import type { Message } from '@onyx-sync/client'
import { useTraining } from '@onyx-sync/client/react'
import { useDevice } from '../device/device-context.js'
import { Dialog } from '../parts/dialog.js'
import { orToast, toast } from '../parts/toasts.js'

const RATINGS = [
  { value: 1, label: '1, useless' },
  { value: 2, label: '2' },
  { value: 3, label: '3' },
  { value: 4, label: '4' },
  { value: 5, label: '5, excellent' },
]

/** Says how good a reply is, and gives it to training where its user has agreed to that. */
export function RateDialog({
  address,
  message,
  onClose,
}: {
  readonly address: string
  readonly message: Message
  readonly onClose: () => void
}) {
  const { client, marks } = useDevice()
  const { hasConsent, contributions, training } = useTraining()
  const own = contributions.find((one) => one.address === address && one.messageId === message.id)
  const rating = typeof message.rating === 'number' ? message.rating : undefined

  return (
    <Dialog title="How good is this reply?" onClose={onClose}>
      <fieldset className="rating">
        <legend>Your rating is kept in the chat, for your own devices.</legend>
        {RATINGS.map(({ value, label }) => (
          <label key={value}>
            <input
              type="radio"
              name="rating"
              checked={rating === value}
              onChange={() =>
                void orToast(
                  marks.during(address, message.id, () => client.training.rate(address, message.id, value)),
                )
              }
            />
            {label}
          </label>
        ))}
      </fieldset>
      {!hasConsent && (
        <p className="aside">
          Replies are given to nobody. You can agree to training in the settings; it is off.
        </p>
      )}
      {hasConsent && own === undefined && (
        <>
          <p>
            You agreed to training. This sends the text of this one reply with your rating to the server,
            where its operator reads it.
          </p>
          <button
            type="button"
            className="button primary"
            disabled={rating === undefined}
            onClick={() => {
              void orToast(training?.submit(address, message.id))
              toast({ text: 'Contributed. You can take it back here at any time.' })
            }}
          >
            Contribute this reply
          </button>
        </>
      )}
      {own && (
        <p>
          Contributed ({own.state}).{' '}
          <button type="button" className="link" onClick={() => void orToast(training?.revoke(own.id))}>
            Take it back
          </button>
        </p>
      )}
    </Dialog>
  )
}

import { useMemo } from 'react'
import { CONSENT_PREFERENCE } from '../model/consent.js'
import type { Contribution, Training } from '../model/training.js'
import { useSyncClient } from './provider.js'
import { LOADING, type Progress, progressOf } from './result.js'
import { viewParts } from './source.js'
import { useSettings } from './use-settings.js'
import { keyOf, useShared } from './use-source.js'

export interface TrainingResult extends Progress {
  /** Whether the account's user agreed to contribute. */
  readonly hasConsent: boolean
  /** What was contributed on this device, newest first; empty while loading. */
  readonly contributions: readonly Contribution[]
  /** To change them; undefined while there is no client. */
  readonly training: Training | undefined
}

const BLANK: Progress & Pick<TrainingResult, 'contributions'> = { ...LOADING, contributions: [] }

/** The user's consent to contribute training data, and what was contributed. */
export function useTraining(): TrainingResult {
  const client = useSyncClient()
  const hasConsent = useSettings().preferences[CONSENT_PREFERENCE] === true
  const shown = useShared(keyOf('training'), BLANK, ({ training }) =>
    viewParts(training.watch(), (value, error) =>
      value === undefined && error === undefined
        ? BLANK
        : { ...progressOf(value, error), contributions: value ?? BLANK.contributions },
    ),
  )
  return useMemo(() => ({ ...shown, hasConsent, training: client?.training }), [shown, hasConsent, client])
}

import { useMemo } from 'react'
import type { AnyPreferences, Settings, SettingsContent } from '../model/settings.js'
import { useSyncClient } from './provider.js'
import { LOADING, type Progress, progressOf } from './result.js'
import { viewParts } from './source.js'
import { keyOf, useShared } from './use-source.js'

export interface SettingsResult<P extends object = AnyPreferences> extends Progress, SettingsContent<P> {
  /** To change them; undefined while there is no client. */
  readonly settings: Settings<P> | undefined
}

const BLANK: Progress & SettingsContent = { ...LOADING, preferences: {}, features: {} }

/** The account's settings, with the keys and types of an app; empty while loading. */
export function useSettings<P extends object = AnyPreferences>(): SettingsResult<P> {
  const client = useSyncClient()
  const shown = useShared(keyOf('settings'), BLANK, ({ settings }) =>
    viewParts(settings.watch(), (value, error) =>
      value === undefined && error === undefined
        ? BLANK
        : {
            ...progressOf(value, error),
            preferences: value?.preferences ?? BLANK.preferences,
            features: value?.features ?? BLANK.features,
          },
    ),
  )
  return useMemo(
    () => ({
      ...(shown as Progress & SettingsContent<P>),
      settings: client?.settings.typed<P>(),
    }),
    [shown, client],
  )
}

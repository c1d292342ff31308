import { useState } from 'react'
import { useDevice } from '../device/device-context.js'
import { deviceName, setDeviceName } from '../device/device-name.js'
import { Dialog } from '../parts/dialog.js'
import { AccountSettings } from './account-settings.js'
import { ImportSettings } from './import-settings.js'
import { ModelSettings } from './model-settings.js'
import { setTheme, type Theme, theme } from './theme.js'
import { TrainingSettings } from './training-settings.js'

const THEMES: readonly { readonly value: Theme; readonly label: string }[] = [
  { value: 'system', label: 'As the system' },
  { value: 'light', label: 'Light' },
  { value: 'dark', label: 'Dark' },
]

/** Everything that can be set. */
export function SettingsDialog({ onClose }: { readonly onClose: () => void }) {
  const { slot } = useDevice()
  const [chosen, setChosen] = useState(theme)
  const [name, setName] = useState(() => deviceName(slot))

  return (
    <Dialog title="Settings" onClose={onClose}>
      <AccountSettings />
      <section>
        <h3>Model</h3>
        <ModelSettings />
      </section>
      <section>
        <h3>This device</h3>
        <label className="row">
          Name, for your other devices
          <input
            className="field"
            value={name}
            maxLength={40}
            onChange={(event) => {
              setName(event.target.value)
              setDeviceName(slot, event.target.value)
            }}
          />
        </label>
        <fieldset className="options inline">
          <legend>Appearance</legend>
          {THEMES.map(({ value, label }) => (
            <label key={value}>
              <input
                type="radio"
                name="theme"
                checked={chosen === value}
                onChange={() => {
                  setTheme(value)
                  setChosen(value)
                }}
              />
              {label}
            </label>
          ))}
        </fieldset>
      </section>
      <section>
        <h3>Chats from elsewhere</h3>
        <ImportSettings />
      </section>
      <section>
        <h3>Training</h3>
        <TrainingSettings />
      </section>
    </Dialog>
  )
}

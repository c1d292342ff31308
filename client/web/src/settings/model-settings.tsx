import { useSettings } from '@onyx-sync/client/react'
import { type FormEvent, useState } from 'react'
import { createApiKeys, type ModelPreferences } from '../answers/model-choice.js'
import { useDevice } from '../device/device-context.js'
import { orToast, toast } from '../parts/toasts.js'

/** Who answers: the built-in echo, or any endpoint that speaks as OpenAI's does. */
export function ModelSettings() {
  const { preferences, settings, status } = useSettings<ModelPreferences>()
  if (status === 'loading') return null
  const isEcho = !preferences.modelUrl

  async function returnToEcho() {
    await settings?.remove('modelUrl')
    toast({ text: 'The built-in echo answers.' })
  }

  return (
    <>
      <p>
        {isEcho
          ? 'The built-in echo answers. It needs nothing, and repeats what it reads.'
          : answering(preferences)}
      </p>
      <EndpointForm key={preferences.modelUrl ?? ''} preferences={preferences} />
      {!isEcho && (
        <button type="button" className="button" onClick={() => void orToast(returnToEcho())}>
          Use the echo again
        </button>
      )}
    </>
  )
}

function answering({ activeModel, modelUrl }: ModelPreferences): string {
  return `${activeModel} at ${modelUrl} answers.`
}

function EndpointForm({ preferences }: { readonly preferences: ModelPreferences }) {
  const { slot } = useDevice()
  const { settings } = useSettings<ModelPreferences>()
  const keys = createApiKeys(slot)
  const [url, setUrl] = useState(preferences.modelUrl ?? '')
  const [model, setModel] = useState(preferences.activeModel ?? '')
  const [apiKey, setApiKey] = useState(() => keys.get(preferences.modelUrl ?? ''))
  const [problem, setProblem] = useState('')

  async function save(event: FormEvent) {
    event.preventDefault()
    const trimmed = url.trim()
    if (!/^https?:\/\/[^\s@]+$/.test(trimmed) || !URL.canParse(trimmed)) {
      setProblem('The address looks like https://api.example.com/v1, without a name or password in it.')
      return
    }
    // The key first: once the address is set, a reply may be asked for.
    await keys.set(trimmed, apiKey.trim())
    await settings?.set('activeModel', model.trim())
    await settings?.set('modelUrl', trimmed)
    toast({ text: `${model.trim()} answers from now on.` })
  }

  return (
    <form onSubmit={(event) => void orToast(save(event))}>
      <label className="row">
        Address of an OpenAI-compatible API
        <input
          className="field"
          placeholder="https://api.example.com/v1"
          inputMode="url"
          autoComplete="off"
          spellCheck={false}
          value={url}
          onChange={(event) => {
            setUrl(event.target.value)
            setProblem('')
          }}
        />
      </label>
      <label className="row">
        Model
        <input
          className="field"
          autoComplete="off"
          spellCheck={false}
          value={model}
          onChange={(event) => setModel(event.target.value)}
        />
      </label>
      <label className="row">
        API key, if it takes one
        <input
          className="field"
          type="password"
          autoComplete="off"
          value={apiKey}
          onChange={(event) => setApiKey(event.target.value)}
        />
      </label>
      <p className="aside">
        Address and model are set for all your devices. The API key stays on this one: it is never synced, and
        sent to that address only. Your chat’s text goes there with each message.
      </p>
      <p className="problem-text" role="alert">
        {problem}
      </p>
      <button type="submit" className="button" disabled={url.trim() === '' || model.trim() === ''}>
        Use this model
      </button>
    </form>
  )
}

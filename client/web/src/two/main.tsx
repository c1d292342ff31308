import '../styles/index.css'
import '../styles/two.css'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { Failed } from '../account/failed.js'
import { preparePair } from './pair.js'
import { TwoDevices } from './two-devices.js'

const root = createRoot(document.getElementById('root') as HTMLElement)
preparePair().then(
  () =>
    root.render(
      <StrictMode>
        <TwoDevices />
      </StrictMode>,
    ),
  (error) => root.render(<Failed error={error} />),
)

import './styles/index.css'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { takeKeyFromAddress } from './account/key-in-address.js'
import { App } from './app.js'
import { createSession } from './device/session.js'
import { slotOf } from './device/slot.js'
import { registerServiceWorker } from './parts/app-update.js'

const slot = slotOf(location.search)
const givenKey = takeKeyFromAddress()
const session = createSession(slot)
session.begin()
if (!slot.isFrame) registerServiceWorker()

createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <App session={session} givenKey={givenKey} />
  </StrictMode>,
)

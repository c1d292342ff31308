import '../styles/index.css'
import '../styles/inspect.css'
import { createWebSocketTransport } from '@onyx-sync/client'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { createSession } from '../device/session.js'
import { slotOf } from '../device/slot.js'
import { InspectorPage } from './inspector-page.js'
import { createTrafficLog } from './traffic-log.js'

const traffic = createTrafficLog()
const transport = createWebSocketTransport()
const session = createSession(slotOf(location.search), traffic.watch(transport, 'device'))
session.begin()

createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <InspectorPage session={session} traffic={traffic} transport={traffic.watch(transport, 'inspector')} />
  </StrictMode>,
)

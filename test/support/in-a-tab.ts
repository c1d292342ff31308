import { useTabs } from './tab-client.js'

// A setup file: what holds for a device holds in every one of its tabs.
useTabs()

import { afterEach } from 'vitest'
import { cleanUp } from './after-test.js'

// A setup file: runs for each file of tests.
afterEach(cleanUp)

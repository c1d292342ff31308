// Reads a JSON report of Vitest: prints how many tests passed, and writes what failed to a file, a line each with the
// first line of its error.
//
//   node .ci/read-report.mjs REPORT FAILURES
import { readFileSync, writeFileSync } from 'node:fs'
import { relative } from 'node:path'

const [reportPath, failuresPath] = process.argv.slice(2)
const report = JSON.parse(readFileSync(reportPath, 'utf8'))

const firstLine = (message) => (message ?? '').split('\n', 1)[0].slice(0, 300)

const failures = report.testResults.flatMap((file) => {
  const path = relative(process.cwd(), file.name)
  if (file.status === 'failed' && file.assertionResults.length === 0)
    return [`${path}: ${firstLine(file.message)}`]
  return file.assertionResults
    .filter((test) => test.status === 'failed')
    .map((test) => `${path}: ${test.fullName}: ${firstLine(test.failureMessages[0])}`)
})

writeFileSync(failuresPath, failures.map((failure) => `${failure}\n`).join(''))
process.stdout.write(`${report.numPassedTests}\n`)

import type { Metric } from '../ports/metrics.js'

/** Metrics in Prometheus' text format, version 0.0.4. */
export function formatMetrics(metrics: readonly Metric[]): string {
  return metrics
    .map(({ name, help, type, samples }) =>
      [
        `# HELP ${name} ${help}`,
        `# TYPE ${name} ${type}`,
        ...samples.map(
          ({ suffix = '', labels = {}, value }) =>
            `${name}${suffix}${formatLabels(labels)} ${Number.isFinite(value) ? value : 'NaN'}`,
        ),
        '',
      ].join('\n'),
    )
    .join('')
}

function formatLabels(labels: Readonly<Record<string, string>>): string {
  const list = Object.entries(labels).map(([name, value]) => {
    const escaped = value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')
    return `${name}="${escaped}"`
  })
  return list.length === 0 ? '' : `{${list.join(',')}}`
}

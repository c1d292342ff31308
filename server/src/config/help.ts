import { CONFIG_OPTIONS, type ConfigOption } from './options.js'

/** One line of a help text. */
export interface HelpLine {
  /** With its dashes and what stands for its value, as in `--port N`. */
  readonly flag: string
  readonly text: string
}

const PLACEHOLDERS = { text: ' TEXT', number: ' N', list: ' TEXT', numbers: ' N', switch: '' }

function formatLines(lines: readonly HelpLine[]): string {
  const width = Math.max(...lines.map(({ flag }) => flag.length))
  return lines.map(({ flag, text }) => `  ${flag.padEnd(width)}  ${text}`).join('\n')
}

function toLine({ flag, type, description, default: preset }: ConfigOption): HelpLine {
  const shown = Array.isArray(preset) && preset.length === 0 ? 'none' : String(preset)
  const suffix = preset === undefined ? '' : ` (default ${shown})`
  return { flag: `--${flag}${PLACEHOLDERS[type]}`, text: `${description}${suffix}` }
}

const isLimit = ({ path }: ConfigOption): boolean => path[0] === 'limits'

/** What a help text says of all options but the limits, between the lines of the command's own flags. */
export const optionsHelp = (before: readonly HelpLine[], after: readonly HelpLine[]): string =>
  formatLines([...before, ...CONFIG_OPTIONS.filter((option) => !isLimit(option)).map(toLine), ...after])

/** What a help text says of the limits. */
export const limitsHelp = (): string => formatLines(CONFIG_OPTIONS.filter(isLimit).map(toLine))

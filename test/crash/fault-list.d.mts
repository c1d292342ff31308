/** By name: the file that is changed, what is looked for, and what comes instead. */
export const FAULTS: Readonly<
  Record<
    string,
    readonly (readonly [file: string, pattern: RegExp, replacement: string | ((found: string) => string)])[]
  >
>

/** Lines of icons on a grid of 24, drawn with one stroke. */
const PATHS = {
  plus: 'M12 5v14M5 12h14',
  search: 'M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14Zm5-2 4.5 4.5',
  send: 'M12 19V5m-6 6 6-6 6 6',
  stop: 'M7 7h10v10H7z',
  back: 'M15 5l-7 7 7 7',
  close: 'M6 6l12 12M18 6 6 18',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  checks: 'M2 12.5l4.5 4.5L14 8.5M11 16l1 1 9.5-9.5',
  device: 'M7 3h10v18H7zM11 18h2',
  up: 'M12 20V8m-5 5 5-5 5 5M5 4h14',
  warning: 'M12 4 2.8 20h18.4L12 4Zm0 6v5m0 2.5v.01',
  edit: 'M4 20l1-4L16.5 4.500l3 3L8 19l-4 1Z',
  trash: 'M5 7h14M10 7V4h4v3m-7 0 1 13h8l1-13M10 11v5m4-5v5',
  copy: 'M9 9h11v11H9zM15 9V4H4v11h5',
  star: 'M12 4l2.5 5.200 5.600.700-4.100 3.900 1 5.600-5-2.700-5 2.700 1-5.600L3.900 9.900l5.600-.700L12 4Z',
  share:
    'M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7Zm-6 9c0-3.500 2.500-6 6-6s6 2.500 6 6m3-12v6m-3-3h6',
  archive: 'M4 5h16v4H4zM6 9v10h12V9m-8 4h4',
  more: 'M4.2 12h1.6M11.2 12h1.6M18.200 12h1.6',
  settings: 'M4 7h9m5 0h2M4 17h2m5 0h9M15 4.500v5m-7 5v5',
  cloud: 'M7 18a4 4 0 0 1-.5-8 5.500 5.500 0 0 1 10.700-.800A4.400 4.400 0 0 1 17 18H7Z',
  offline:
    'M3 3l18 18M7 18a4 4 0 0 1-.5-8M9 6.200a5.500 5.500 0 0 1 8.200 3A4.400 4.400 0 0 1 19.500 17M12 18H7',
  wait: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Zm0-14v5l3.500 2',
  key: 'M8 15.500a4.500 4.500 0 1 0 0-9 4.500 4.500 0 0 0 0 9ZM12.500 11H21v3m-4-3v3',
  restore: 'M4 12a8 8 0 1 0 2.500-5.800M4 4v5h5',
  thought: 'M9 18h6m-5 3h4M9 18c0-3-3-4-3-8a6 6 0 0 1 12 0c0 4-3 5-3 8',
  tool: 'M14 6.500a4 4 0 0 1 5.500-2L17 7l.500 2.500L20 10l2-2a4.300 4.300 0 0 1-6 4.500L8.500 20 5 16.500 13 9a4 4 0 0 1 1-2.500Z',
  columns: 'M4 5h16v14H4zM12 5v14',
  history: 'M4 12a8 8 0 1 0 2.500-5.800M4 4v5h5m3-2v5l3.500 2',
} as const

/** Names of icons. */
export type IconName = keyof typeof PATHS

/** A picture beside words: hidden from screen readers, which have the words. */
export function Icon({ name, size = 20 }: { readonly name: IconName; readonly size?: number }) {
  return (
    <svg className="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  )
}

/** The parts of RxJS that WatermelonDB uses: what its own module for that takes, and no more of it in the build. */
export {
  BehaviorSubject,
  catchError,
  defer,
  distinctUntilChanged,
  map,
  merge,
  multicast,
  Observable,
  of,
  ReplaySubject,
  Subject,
  startWith,
  switchMap,
} from 'rxjs'

/** For counts that are observed, of which no page has any: RxJS brings timers of its own with it. */
export function throttleTime(): never {
  throw new Error('counts are not throttled in this build: observe them with observeCount(false)')
}

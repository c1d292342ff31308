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
  throttleTime,
} from 'rxjs'

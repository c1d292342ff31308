/*
 * What RxJS takes of `tslib`, in its place, for async iterables and streams, which WatermelonDB gives it none of: the whole
 * helpers are for engines that have neither generators nor async functions.
 */

type Steps = Generator<unknown, unknown, unknown>

class Await {
  constructor(readonly value: unknown) {}
}

export const __await = (value: unknown) => new Await(value)

export const __asyncValues = <T>(values: AsyncIterable<T>) => values[Symbol.asyncIterator]()

/** Runs a generator that yields what is to be awaited. */
export async function __awaiter(self: unknown, _args: unknown, _promise: unknown, begin: () => Steps) {
  const steps = begin.call(self)
  let step = steps.next()
  while (step.done !== true) step = await Promise.resolve(step.value).then(...resume(steps))
  return step.value
}

/** The same, for one that gives out values, too. */
export async function* __asyncGenerator(
  self: unknown,
  args: unknown[],
  begin: (...args: unknown[]) => Steps,
) {
  const steps = begin.apply(self, args)
  try {
    let step = steps.next()
    while (step.done !== true) {
      const { value } = step
      if (value instanceof Await) step = await Promise.resolve(value.value).then(...resume(steps))
      else step = steps.next(yield value)
    }
    return step.value
  } finally {
    steps.return(undefined)
  }
}

function resume(steps: Steps) {
  return [(value: unknown) => steps.next(value), (error: unknown) => steps.throw(error)] as const
}

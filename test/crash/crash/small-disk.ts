import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Scope } from './processes.js'

/** A file system of a few megabytes that can be filled and relieved. */
export interface SmallDisk {
  readonly directory: string
  /** Fills it up to the last byte, but for `leaveBytes`. */
  fill(leaveBytes?: number): void
  /** Gives back what {@link SmallDisk.fill} took. */
  relieve(): void
}

const mounted = new Set<string>()
process.once('exit', () => {
  for (const directory of mounted) unmount(directory)
})

function unmount(directory: string): void {
  // Lazily: whatever still holds a file there must not keep it mounted for ever.
  execFileSync('umount', ['--lazy', directory], { stdio: 'ignore' })
  mounted.delete(directory)
}

/** Why there can be no small disk here; undefined where there can. Mounting needs root, or a container's leave. */
export function whyNoSmallDisk(): string | undefined {
  const directory = `/tmp/onyx-crash-mount-${process.pid}`
  try {
    mkdirSync(directory)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory], { stdio: 'pipe' })
    unmount(directory)
    return undefined
  } catch (error) {
    return `a tmpfs can't be mounted here: ${String(error).trim()}`
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Mounts a tmpfs for the time of the scope. */
export function mountSmallDisk(scope: Scope, megabytes: number): SmallDisk {
  const directory = join(scope.directory(), 'disk')
  mkdirSync(directory)
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', directory])
  mounted.add(directory)
  scope.defer(() => unmount(directory))
  const ballast = join(directory, 'ballast')
  return {
    directory,
    fill(leaveBytes = 0) {
      const { bavail, bsize } = statfsSync(directory)
      const file = openSync(ballast, 'a')
      const block = Buffer.alloc(bsize, 1)
      try {
        for (let left = Math.floor((bavail * bsize - leaveBytes) / bsize); left > 0; left--) {
          writeSync(file, block)
        }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      } finally {
        closeSync(file)
      }
    },
    relieve: () => rmSync(ballast, { force: true }),
  }
}

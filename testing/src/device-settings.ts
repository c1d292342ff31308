import type { Batching, CheckpointOptions, CompactionOptions, SyncClientOptions } from '@onyx-sync/client'
import type { SeededRandom } from './seeded-random.js'

/** How the devices of a world are set up, where that isn't as in a real device. */
export interface DeviceSettings {
  readonly checkpoints: Required<CheckpointOptions> | false
  readonly compaction: Required<CompactionOptions>
  readonly batching: Batching
  /** When signatures are checked. @default as in a real device */
  readonly checking?: SyncClientOptions['checking']
  /** Whom merged states are taken from. @default as in a real device */
  readonly trust?: SyncClientOptions['trust']
  /** Documents kept loaded besides those in use. @default as in a real device */
  readonly maxLoadedDocuments?: number
  /** How long a signer takes at most, by device; people and remote signers take longer than a CPU. Milliseconds. */
  maxSignMs(device: string): number
}

/**
 * Settings by which much happens in a short history: logs that are soon too large, since the real bounds are for
 * chats of weeks, and devices that make one event of many edits or many of few.
 */
export function drawDeviceSettings(random: SeededRandom): DeviceSettings {
  return {
    // They bring back what a device has missed, and would hide some mistakes.
    checkpoints: random.chance(0.3)
      ? false
      : {
          minLogBytes: 400 + random.below(2_000),
          ratio: 1.5 + random.next(),
          waitMs: 5 + random.below(300),
        },
    compaction: { minBytes: 400 + random.below(2_000), ratio: 0.2 + random.next() * 0.8 },
    batching: { intervalMs: random.pick([0, 0, 0, 500]) },
    // Few enough that they are loaded again and again, while something else happens to them.
    maxLoadedDocuments: random.fork('loaded').pick([0, 1, 32]),
    checking: random.fork('checking').pick(['before', 'idle']),
    trust: random.fork('trust').pick(['server', 'server', 'authors']),
    maxSignMs: (device) => {
      const ofDevice = random.fork(device)
      return ofDevice.chance(0.3) ? ofDevice.below(600) : 0
    },
  }
}

// In place of react-native, whose native half a bare VM lacks: what WatermelonDB looks for when it is loaded.
export const NativeModules = {}
export const Platform = { OS: 'android' }
export const unstable_batchedUpdates = (run) => run()

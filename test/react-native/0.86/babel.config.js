// What `react-native init` writes.
module.exports = { presets: ['module:@react-native/babel-preset'] }

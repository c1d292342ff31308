// What `react-native init` writes, and for the VM of npm's hermes-engine-cli, which is older than React Native's and
// has no Unicode property escapes, those spelt out.
module.exports = {
  presets: ['module:@react-native/babel-preset'],
  plugins: process.env.ONYX_HERMES_VM === '1' ? ['@babel/plugin-transform-unicode-property-regex'] : [],
}

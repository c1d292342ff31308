// What the engine of a phone may lack, before anything else is loaded: see docs/REACT-NATIVE.md.
import 'react-native-get-random-values'
import 'react-native-url-polyfill/auto'

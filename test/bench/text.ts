import { createSeededRandom, type SeededRandom } from '@onyx-sync/testing'

const SYLLABLES = [
  'a',
  'ba',
  'con',
  'der',
  'e',
  'fi',
  'ga',
  'ho',
  'in',
  'ka',
  'le',
  'mo',
  'ne',
  'or',
  'pra',
  'qui',
]
const ENDINGS = ['', 'n', 's', 'ing', 'ed', 'tion', 'ly', 'er']
const WORDS = 4_000

/** Text that is about as hard to compress as English: words by Zipf's law, sentences, some paragraphs. */
export function createWriter(seed: string): (length: number) => string {
  const random = createSeededRandom(seed)
  const words = Array.from({ length: WORDS }, () => makeWord(random))
  return (length) => {
    let text = ''
    while (text.length < length) {
      const count = 6 + random.below(14)
      const sentence = Array.from({ length: count }, () => words[rank(random)]).join(' ')
      text += `${sentence[0]?.toUpperCase()}${sentence.slice(1)}.${random.chance(0.1) ? '\n\n' : ' '}`
    }
    return text.slice(0, length)
  }
}

function makeWord(random: SeededRandom): string {
  const syllables = Array.from({ length: 1 + random.below(3) }, () => random.pick(SYLLABLES))
  return syllables.join('') + random.pick(ENDINGS)
}

/** Zipf's law with exponent 1: the logarithm of a rank is evenly spread. */
function rank(random: SeededRandom): number {
  return Math.floor(WORDS ** random.next()) - 1
}

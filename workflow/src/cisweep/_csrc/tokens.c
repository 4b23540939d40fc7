/* Text to tokens: A C G T = 0 1 2 3 in either case, every other IUPAC letter of DNA = 4 (N). */
#include <stdint.h>

/* 1 + the token, so that a byte which is not named here has code 0. */
static const uint8_t CODE[256] = {
    ['A'] = 1, ['C'] = 2, ['G'] = 3, ['T'] = 4, ['N'] = 5, ['R'] = 5, ['Y'] = 5, ['S'] = 5,
    ['W'] = 5, ['K'] = 5, ['M'] = 5, ['B'] = 5, ['D'] = 5, ['H'] = 5, ['V'] = 5,
    ['a'] = 1, ['c'] = 2, ['g'] = 3, ['t'] = 4, ['n'] = 5, ['r'] = 5, ['y'] = 5, ['s'] = 5,
    ['w'] = 5, ['k'] = 5, ['m'] = 5, ['b'] = 5, ['d'] = 5, ['h'] = 5, ['v'] = 5,
};

/* Write the tokens of n bytes; return -1, or the position of the first byte that has none. */
int64_t tokenize(const uint8_t *restrict text, int64_t n, uint8_t *restrict tokens) {
    for (int64_t i = 0; i < n; i++) {
        uint8_t code = CODE[text[i]];
        if (__builtin_expect(code == 0, 0)) return i;
        tokens[i] = code - 1;
    }
    return -1;
}

/* Shuffles of tokens (0 1 2 3 = A C G T, 4 = N). N stays in place; each run between Ns is
 * shuffled on its own. A result depends on the sequence and its seed only: every shuffle has
 * its own generator, so neither the batch, nor the lanes, nor the threads can change it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Each step of a walk waits for the step before, so several shuffles of a run walk together. */
enum { LANES = 4, MOST_STEPS = 65535 };

/* xoshiro256++ (Blackman and Vigna 2021), seeded by splitmix64. */
typedef struct {
    uint64_t s0, s1, s2, s3;
} Stream;

static uint64_t splitmix(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static Stream seeded(uint64_t seed) {
    Stream stream;
    stream.s0 = splitmix(&seed);
    stream.s1 = splitmix(&seed);
    stream.s2 = splitmix(&seed);
    stream.s3 = splitmix(&seed);
    return stream;
}

static inline uint64_t rotl(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

static inline uint64_t next_word(Stream *s) {
    uint64_t word = rotl(s->s0 + s->s3, 23) + s->s0;
    uint64_t t = s->s1 << 17;
    s->s2 ^= s->s0;
    s->s3 ^= s->s1;
    s->s1 ^= s->s2;
    s->s0 ^= s->s3;
    s->s2 ^= t;
    s->s3 = rotl(s->s3, 45);
    return word;
}

/* An exactly uniform draw from 0 to bound - 1 out of 32 random bits (Lemire 2019). */
static inline uint32_t draw(uint32_t bits, uint32_t bound, Stream *stream) {
    uint64_t product = (uint64_t)bits * bound;
    if (__builtin_expect((uint32_t)product < bound, 0)) {
        uint32_t threshold = -bound % bound;
        while ((uint32_t)product < threshold) product = (next_word(stream) >> 32) * bound;
    }
    return (uint32_t)(product >> 32);
}

static inline void swap(uint8_t *items, uint32_t i, uint32_t k) {
    uint8_t kept = items[i];
    items[i] = items[k];
    items[k] = kept;
}

/* Fisher-Yates, two draws from each word. */
static void permute(uint8_t *items, uint32_t n, Stream *state) {
    Stream stream = *state; /* bytes may alias *state; a local stays in registers */
    for (; n > 2; n -= 2) {
        uint64_t word = next_word(&stream);
        swap(items, n - 1, draw((uint32_t)word, n, &stream));
        swap(items, n - 2, draw((uint32_t)(word >> 32), n - 1, &stream));
    }
    if (n == 2) swap(items, 1, (uint32_t)(next_word(&stream) >> 63));
    *state = stream;
}

typedef struct {
    uint32_t count[4][4]; /* steps from one base to the next */
    uint32_t exits[4];    /* steps out of a base */
    uint32_t first, end;
} Steps;

static Steps count_steps(const uint8_t *run, int64_t length) {
    Steps steps = {{{0}}, {0}, run[0], run[length - 1]};
    for (int64_t i = 1; i < length; i++) steps.count[run[i - 1]][run[i]]++;
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < 4; b++) steps.exits[a] += steps.count[a][b];
    return steps;
}

/* Wilson's algorithm (1996): last[a] is where the last visit of a goes, a tree into the end
 * drawn with the probability of the product of its counts. With a uniform order of all other
 * exits each Euler trail is equally likely (BEST theorem). */
static void draw_last_exits(const Steps *steps, uint8_t *last, Stream *stream) {
    int in_tree[4];
    for (uint32_t a = 0; a < 4; a++) in_tree[a] = a == steps->end || steps->exits[a] == 0;
    for (uint32_t a = 0; a < 4; a++) {
        for (uint32_t base = a; !in_tree[base]; base = last[base]) {
            uint32_t k = draw((uint32_t)next_word(stream), steps->exits[base], stream);
            uint8_t next = 0;
            while (k >= steps->count[base][next]) k -= steps->count[base][next++];
            last[base] = next;
        }
        for (uint32_t base = a; !in_tree[base]; base = last[base]) in_tree[base] = 1;
    }
}

/* Write the exits of A, C, G and T, one list after the other, each in the order of its use. */
static void draw_exits(const Steps *steps, Stream *stream, uint8_t *exits) {
    uint8_t last[4] = {4, 4, 4, 4};
    draw_last_exits(steps, last, stream);
    for (uint32_t a = 0; a < 4; a++) {
        uint8_t *item = exits;
        for (uint32_t b = 0; b < 4; b++) {
            uint32_t n = steps->count[a][b] - (last[a] == b);
            memset(item, (int)b, n);
            item += n;
        }
        permute(exits, (uint32_t)(item - exits), stream);
        if (last[a] < 4) *item = last[a];
        exits += steps->exits[a];
    }
}

/* Four cursors of 16 bits share one word: in a register they cost no store that the next step
 * would wait for. Before they could overflow they are added to the heads of the lists. */
static inline void walk(const Steps *steps, const uint8_t *exits, int64_t length, uint8_t *out,
                        int64_t stride, int lanes) {
    const uint8_t *heads[LANES][4];
    uint64_t cursors[LANES];
    uint32_t base[LANES];
    for (int w = 0; w < lanes; w++) {
        heads[w][0] = exits + w * length;
        for (int a = 1; a < 4; a++) heads[w][a] = heads[w][a - 1] + steps->exits[a - 1];
        base[w] = steps->first;
        out[w * stride] = (uint8_t)base[w];
    }
    for (int64_t i = 1; i < length;) {
        int64_t stop = length - i > MOST_STEPS ? i + MOST_STEPS : length;
        for (int w = 0; w < lanes; w++) cursors[w] = 0;
        for (; i < stop; i++) {
            for (int w = 0; w < lanes; w++) {
                uint32_t shift = base[w] * 16;
                uint8_t next = heads[w][base[w]][(cursors[w] >> shift) & 0xFFFF];
                cursors[w] += UINT64_C(1) << shift;
                out[w * stride + i] = next;
                base[w] = next;
            }
        }
        for (int w = 0; w < lanes; w++)
            for (int a = 0; a < 4; a++) heads[w][a] += (cursors[w] >> (16 * a)) & 0xFFFF;
    }
}

static void walk_run(const uint8_t *run, int64_t length, Stream *streams, int64_t n,
                     uint8_t *scratch, uint8_t *out, int64_t stride) {
    Steps steps = count_steps(run, length);
    for (int64_t k = 0; k < n;) {
        int lanes = n - k < LANES ? 1 : LANES;
        for (int w = 0; w < lanes; w++) draw_exits(&steps, &streams[k + w], scratch + w * length);
        if (lanes == LANES)
            walk(&steps, scratch, length, out + k * stride, stride, LANES);
        else
            walk(&steps, scratch, length, out + k * stride, stride, 1);
        k += lanes;
    }
}

static void permute_run(const uint8_t *run, int64_t length, Stream *streams, int64_t n,
                        uint8_t *out, int64_t stride) {
    for (int64_t k = 0; k < n; k++) {
        memcpy(out + k * stride, run, (size_t)length);
        permute(out + k * stride, (uint32_t)length, &streams[k]);
    }
}

/* Write n shuffles of each sequence: tokens (n_sequences, length), seeds (n_sequences, n), out
 * (n_sequences, n, length). Return 0, or -1 without memory. */
int shuffle_tokens(const uint8_t *tokens, const uint64_t *seeds, int64_t n_sequences, int64_t n,
                   int64_t length, int dinucleotide, uint8_t *out) {
    Stream *streams = malloc(sizeof(Stream) * (size_t)n + 1);
    uint8_t *scratch = malloc(LANES * (size_t)length + 1);
    int failed = streams == NULL || scratch == NULL;
    for (int64_t s = 0; s < n_sequences && !failed; s++, tokens += length, out += n * length) {
        for (int64_t k = 0; k < n; k++) streams[k] = seeded(seeds[s * n + k]);
        for (int64_t i = 0; i < length;) {
            int64_t start = i;
            while (i < length && tokens[i] < 4) i++;
            if (i == start) {
                for (int64_t k = 0; k < n; k++) out[k * length + i] = 4;
                i++;
            } else if (dinucleotide) {
                walk_run(tokens + start, i - start, streams, n, scratch, out + start, length);
            } else {
                permute_run(tokens + start, i - start, streams, n, out + start, length);
            }
        }
    }
    free(scratch);
    free(streams);
    return failed ? -1 : 0;
}

/* Motif scanning on tokens (0 1 2 3 = A C G T, anything else = N), in integer losses.
 *
 * A motif-strand ("entry") has for each column and base the loss from the column's best score,
 * in bins: a non-negative integer. A window is a hit when its summed loss is at most the
 * entry's limit. First a filter finds candidates: losses of column pairs, divided so that the
 * limit fits 8 bits and rounded down, looked up by byte shuffles and added with saturation;
 * it can only pass too many. Then each candidate's loss is summed exactly. So the filter that
 * runs (AVX2 or portable, chosen at run time) changes no result. */
#include <stdint.h>
#include <string.h>

#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
#define FIMO_HAS_AVX2 1
#include <immintrin.h>
#else
#define FIMO_HAS_AVX2 0
#endif

enum { STRETCH = 8192, GROUP = 64, GROUPS = STRETCH / GROUP };

/* Bit k of masks[g] says that start 64 g + k is a candidate. codes[i] holds base i and, two bits
 * higher, base i + 1. */
typedef void (*filter_fn)(const uint8_t *codes, int n_groups, const uint8_t *tables, int n_blocks,
                          uint8_t limit, uint64_t *masks);

/* Four columns at a time: two pair tables make one of 256 losses. A sum stays below 2^16 because
 * a motif has at most 1000 columns. */
static void filter_portable(const uint8_t *codes, int n_groups, const uint8_t *tables,
                            int n_blocks, uint8_t limit, uint64_t *masks) {
    uint16_t sums[STRETCH];
    uint8_t four[256];
    const int n = n_groups * GROUP;
    memset(sums, 0, (size_t)n * sizeof *sums);
    for (int b = 0; b < n_blocks; b += 2) {
        const uint8_t *low = tables + 16 * b, *high = low + 16, *code = codes + 2 * b;
        for (int x = 0; x < 256; x++) {
            const int sum = low[x & 15] + (b + 1 < n_blocks ? high[x >> 4] : 0);
            four[x] = (uint8_t)(sum > 255 ? 255 : sum);
        }
        for (int i = 0; i < n; i++) sums[i] += four[code[i] | code[i + 2] << 4];
    }
    for (int g = 0; g < n_groups; g++) {
        uint64_t mask = 0;
        for (int k = 0; k < GROUP; k++) mask |= (uint64_t)(sums[g * GROUP + k] <= limit) << k;
        masks[g] = mask;
    }
}

#if FIMO_HAS_AVX2
__attribute__((target("avx2"))) static inline uint64_t passing(__m256i low, __m256i high,
                                                               __m256i limit) {
    __m256i a = _mm256_cmpeq_epi8(_mm256_min_epu8(low, limit), low);
    __m256i b = _mm256_cmpeq_epi8(_mm256_min_epu8(high, limit), high);
    return (uint32_t)_mm256_movemask_epi8(a) | (uint64_t)(uint32_t)_mm256_movemask_epi8(b) << 32;
}

/* Two groups at a time, so that a table in a register serves four look-ups. n_groups is even. */
__attribute__((target("avx2"))) static void filter_avx2(const uint8_t *codes, int n_groups,
                                                        const uint8_t *tables, int n_blocks,
                                                        uint8_t limit, uint64_t *masks) {
    const __m256i most = _mm256_set1_epi8((char)limit);
    for (int g = 0; g < n_groups; g += 2) {
        const uint8_t *code = codes + g * GROUP;
        __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0;
        for (int b = 0; b < n_blocks; b++, code += 2) {
            const __m256i table =
                _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(tables + 16 * b)));
#define LOOK_UP(at) _mm256_shuffle_epi8(table, _mm256_loadu_si256((const __m256i *)(code + at)))
            s0 = _mm256_adds_epu8(s0, LOOK_UP(0));
            s1 = _mm256_adds_epu8(s1, LOOK_UP(32));
            s2 = _mm256_adds_epu8(s2, LOOK_UP(64));
            s3 = _mm256_adds_epu8(s3, LOOK_UP(96));
#undef LOOK_UP
        }
        masks[g] = passing(s0, s1, most);
        masks[g + 1] = passing(s2, s3, most);
    }
}
#endif

/* 1 when the AVX2 filter runs on this machine. */
int fimo_has_avx2(void) {
#if FIMO_HAS_AVX2
    return __builtin_cpu_supports("avx2") != 0;
#else
    return 0;
#endif
}

/* The loss of the window at `bases`, or -1 when it holds an N or loses more than `limit`. */
static int32_t exact_loss(const uint8_t *bases, int width, const int32_t *loss, int32_t limit) {
    int32_t sum = 0;
    for (int j = 0; j < width; j++) {
        if (bases[j] > 3) return -1;
        sum += loss[4 * j + bases[j]];
        if (sum > limit) return -1;
    }
    return sum;
}

static int trailing_zeros(uint64_t mask) {
#if defined(__GNUC__)
    return __builtin_ctzll(mask);
#else
    int n = 0;
    for (; !(mask & 1); mask >>= 1) n++;
    return n;
#endif
}

/* Copies [start, start + n) of the sequence, N beyond its end, and writes the pair codes. N counts
 * as A in the codes, so that the filter passes it on and the exact loss refuses it. */
static void read_stretch(const uint8_t *tokens, int64_t length, int64_t start, int64_t n,
                      uint8_t *bases, uint8_t *codes) {
    int64_t inside = length - start < n ? length - start : n;
    memcpy(bases, tokens + start, (size_t)inside);
    memset(bases + inside, 4, (size_t)(n - inside));
    for (int64_t i = 0; i < n; i++) codes[i] = bases[i] > 3 ? 0 : bases[i];
    for (int64_t i = 0; i + 1 < n; i++) codes[i] |= (uint8_t)((codes[i + 1] & 3) << 2);
}

/* Sets bit k of starts[g] where a window of at least one base may begin: below n, and not N. */
static void mark_starts(const uint8_t *bases, int64_t n, uint64_t *starts) {
    memset(starts, 0, GROUPS * sizeof *starts);
    for (int64_t i = 0; i < n; i++) starts[i / GROUP] |= (uint64_t)(bases[i] < 4) << (i % GROUP);
}

/* Writes the hits that start in [first, last) (at most `capacity`) and returns how many there
 * are, in the order stretch, entry, start.
 *   width[e], limit[e] (-1: skip), column[e]: entry's columns, `loss` has 4 numbers a column;
 *   limit8[e], block[e]: entry's pair tables, 16 bytes a block, ceil(width / 2) blocks;
 *   scratch: 2 * (STRETCH + largest width + 2 * GROUP) bytes. */
int64_t fimo_scan(const uint8_t *tokens, int64_t length, int64_t first, int64_t last,
                  int64_t n_entries, const int32_t *width, const int32_t *limit,
                  const int64_t *column, const int32_t *loss, const uint8_t *limit8,
                  const int64_t *block, const uint8_t *tables, int64_t largest_width,
                  uint8_t *scratch, int portable, int64_t capacity, int32_t *hit_entry,
                  int64_t *hit_start, int32_t *hit_loss) {
    filter_fn filter = filter_portable;
#if FIMO_HAS_AVX2
    if (!portable && fimo_has_avx2()) filter = filter_avx2;
#endif
    (void)portable;
    const int64_t span = STRETCH + largest_width + 2 * GROUP;
    uint8_t *bases = scratch, *codes = scratch + span;
    uint64_t masks[GROUPS], starts[GROUPS];
    int64_t found = 0;
    if (last > length) last = length;
    for (int64_t stretch = first; stretch < last; stretch += STRETCH) {
        const int64_t n = last - stretch < STRETCH ? last - stretch : STRETCH;
        const int n_groups = (int)((n + 2 * GROUP - 1) / (2 * GROUP)) * 2;
        read_stretch(tokens, length, stretch, span, bases, codes);
        mark_starts(bases, n, starts);
        for (int64_t e = 0; e < n_entries; e++) {
            if (limit[e] < 0) continue;
            filter(codes, n_groups, tables + 16 * block[e], (width[e] + 1) / 2, limit8[e], masks);
            for (int g = 0; g < n_groups; g++) {
                uint64_t left = masks[g] & starts[g];
                for (; left; left &= left - 1) {
                    const int at = g * GROUP + trailing_zeros(left);
                    const int32_t sum =
                        exact_loss(bases + at, width[e], loss + 4 * column[e], limit[e]);
                    if (sum < 0) continue;
                    if (found < capacity) {
                        hit_entry[found] = (int32_t)e;
                        hit_start[found] = stretch + at;
                        hit_loss[found] = sum;
                    }
                    found++;
                }
            }
        }
    }
    return found;
}

/* Writes for each motif m the p-value of each summed loss k, P(loss <= k), to
 * p_value[offset[m] + k], k = 0 .. offset[m + 1] - offset[m] - 1. The smallest terms are added
 * first, all are positive, so each value is right to a few units of the last place.
 *   scratch: as many doubles as the largest motif has losses. */
void fimo_distribution(int64_t n_motifs, const int32_t *width, const int64_t *column,
                       const int32_t *loss, const double *background, const int64_t *offset,
                       double *p_value, double *scratch) {
    for (int64_t m = 0; m < n_motifs; m++) {
        const int64_t size = offset[m + 1] - offset[m];
        double *out = p_value + offset[m], *now = out, *next = scratch;
        int64_t top = 0; /* largest loss so far */
        now[0] = 1.0;
        for (int j = 0; j < width[m]; j++) {
            const int32_t *of = loss + 4 * (column[m] + j);
            int64_t more = 0;
            for (int a = 0; a < 4; a++) more = of[a] > more ? of[a] : more;
            memset(next, 0, (size_t)(top + more + 1) * sizeof *next);
            for (int a = 0; a < 4; a++) {
                double *to = next + of[a];
                const double share = background[a];
                for (int64_t k = 0; k <= top; k++) to[k] += share * now[k];
            }
            top += more;
            double *swap = now;
            now = next;
            next = swap;
        }
        if (now != out) memcpy(out, now, (size_t)size * sizeof *out);
        for (int64_t k = 1; k < size; k++) out[k] += out[k - 1];
    }
}

/* The same under a first-order chain: the first base is drawn by `start` (4), each further one by
 * the row of `transition` (4 x 4) of the base before it. For each last base the distribution of the
 * loss is kept; a column mixes the four and moves each by its loss.
 *   scratch: eight times as many doubles as the largest motif has losses. */
void fimo_markov_distribution(int64_t n_motifs, const int32_t *width, const int64_t *column,
                              const int32_t *loss, const double *start, const double *transition,
                              const int64_t *offset, double *p_value, double *scratch) {
    for (int64_t m = 0; m < n_motifs; m++) {
        const int64_t size = offset[m + 1] - offset[m];
        double *now = scratch, *next = scratch + 4 * size, *out = p_value + offset[m];
        const int32_t *of = loss + 4 * column[m];
        int64_t top = 0; /* largest loss so far */
        memset(now, 0, (size_t)(4 * size) * sizeof *now);
        for (int b = 0; b < 4; b++) {
            now[b * size + of[b]] = start[b];
            top = of[b] > top ? of[b] : top;
        }
        for (int j = 1; j < width[m]; j++) {
            int64_t more = 0;
            of += 4;
            for (int b = 0; b < 4; b++) more = of[b] > more ? of[b] : more;
            for (int b = 0; b < 4; b++) {
                double *to = next + b * size;
                memset(to, 0, (size_t)(top + more + 1) * sizeof *to);
                to += of[b];
                const double *a0 = now, *a1 = a0 + size, *a2 = a1 + size, *a3 = a2 + size;
                const double t0 = transition[b], t1 = transition[4 + b], t2 = transition[8 + b],
                             t3 = transition[12 + b];
                for (int64_t k = 0; k <= top; k++)
                    to[k] = t0 * a0[k] + t1 * a1[k] + t2 * a2[k] + t3 * a3[k];
            }
            top += more;
            double *swap = now;
            now = next;
            next = swap;
        }
        for (int64_t k = 0; k < size; k++)
            out[k] = now[k] + now[size + k] + now[2 * size + k] + now[3 * size + k];
        for (int64_t k = 1; k < size; k++) out[k] += out[k - 1];
    }
}

/* Motif scanning on tokens (0 1 2 3 = A C G T, anything else = N), in integer losses.
 *
 * A motif-strand ("entry") has for each column and base the loss from the column's best score,
 * in bins: a non-negative integer. A window is a hit when its summed loss is at most the
 * entry's limit. First a filter finds candidates: losses of column pairs, divided so that the
 * limit fits 8 bits and rounded down, looked up by byte shuffles and added with saturation;
 * it can only pass too many. Then each candidate's loss is summed exactly. So the filter that
 * runs (AVX2 or portable, chosen at run time) changes no result. */
#include <math.h>
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

/* The filter of both strands of a motif, which are of one width and limit. Returns the number of
 * groups with a candidate: which they are, and their masks on the + and - strand. */
typedef int (*strands_fn)(const uint8_t *codes, int n_groups, const uint8_t *plus,
                          const uint8_t *minus, int n_blocks, uint8_t limit, int *which,
                          uint64_t (*masks)[2]);

static int strands_portable(const uint8_t *codes, int n_groups, const uint8_t *plus,
                            const uint8_t *minus, int n_blocks, uint8_t limit, int *which,
                            uint64_t (*masks)[2]) {
    uint64_t of_plus[GROUPS], of_minus[GROUPS];
    int n = 0;
    filter_portable(codes, n_groups, plus, n_blocks, limit, of_plus);
    filter_portable(codes, n_groups, minus, n_blocks, limit, of_minus);
    for (int g = 0; g < n_groups; g++)
        if (of_plus[g] | of_minus[g]) {
            which[n] = g;
            masks[n][0] = of_plus[g];
            masks[n++][1] = of_minus[g];
        }
    return n;
}

#if FIMO_HAS_AVX2
/* As filter_avx2. Each vector of codes serves two look-ups, since loads are what a look-up waits
 * for; and masks are made only where there is a candidate, which is seldom. */
__attribute__((target("avx2"))) static int strands_avx2(const uint8_t *codes, int n_groups,
                                                        const uint8_t *plus, const uint8_t *minus,
                                                        int n_blocks, uint8_t limit, int *which,
                                                        uint64_t (*masks)[2]) {
    const __m256i most = _mm256_set1_epi8((char)limit);
    int n = 0;
    for (int g = 0; g < n_groups; g += 2) {
        const uint8_t *code = codes + g * GROUP;
        __m256i p0 = _mm256_setzero_si256(), p1 = p0, p2 = p0, p3 = p0;
        __m256i m0 = p0, m1 = p0, m2 = p0, m3 = p0;
        for (int b = 0; b < n_blocks; b++, code += 2) {
            const __m256i p =
                _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(plus + 16 * b)));
            const __m256i m =
                _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(minus + 16 * b)));
#define LOOK_UP(k)                                                              \
    do {                                                                        \
        const __m256i c = _mm256_loadu_si256((const __m256i *)(code + 32 * k)); \
        p##k = _mm256_adds_epu8(p##k, _mm256_shuffle_epi8(p, c));               \
        m##k = _mm256_adds_epu8(m##k, _mm256_shuffle_epi8(m, c));               \
    } while (0)
            LOOK_UP(0);
            LOOK_UP(1);
            LOOK_UP(2);
            LOOK_UP(3);
#undef LOOK_UP
        }
        const __m256i low = _mm256_min_epu8(_mm256_min_epu8(p0, p1), _mm256_min_epu8(p2, p3));
        const __m256i other = _mm256_min_epu8(_mm256_min_epu8(m0, m1), _mm256_min_epu8(m2, m3));
        const __m256i least = _mm256_min_epu8(low, other);
        if (!_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(least, most), least)))
            continue;
        which[n] = g;
        masks[n][0] = passing(p0, p1, most);
        masks[n++][1] = passing(m0, m1, most);
        which[n] = g + 1;
        masks[n][0] = passing(p2, p3, most);
        masks[n++][1] = passing(m2, m3, most);
    }
    return n;
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
static void mark_starts(const uint8_t *bases, int64_t n, int64_t n_groups, uint64_t *starts) {
    memset(starts, 0, (size_t)n_groups * sizeof *starts);
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
        mark_starts(bases, n, GROUPS, starts);
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

enum { COPIES = 128, LARGEST_BYTE = 254 }; /* copies that are held ready: their tables stay in the cache */

/* One strand of a column-shuffled copy: its columns in their order, and their pair tables. */
typedef struct {
    int32_t *loss;
    uint8_t *pairs;
} strand;

/* Lays out the columns of a motif in an order; on the - strand backwards, bases complemented. */
static void lay_out(const int32_t *loss, const int16_t *order, int width, int minus,
                    int32_t divisor, strand *out) {
    for (int j = 0; j < width; j++) {
        const int32_t *of = loss + 4 * order[minus ? width - 1 - j : j];
        for (int b = 0; b < 4; b++) out->loss[4 * j + b] = of[minus ? 3 - b : b];
    }
    for (int j = 0; j < width; j += 2)
        for (int x = 0; x < 16; x++) {
            const int32_t next = j + 1 < width ? out->loss[4 * (j + 1) + (x >> 2)] : 0;
            const int32_t sum = (out->loss[4 * j + (x & 3)] + next) / divisor;
            out->pairs[8 * j + x] = (uint8_t)(sum > 255 ? 255 : sum);
        }
}

/* What a match is added to: counts and totals of the copies, a row a target. */
typedef struct {
    int64_t n_targets, length, n_copies;
    const double *track;
    int64_t *count;
    double *total;
} sums_of_copies;

/* Adds a match of copy c: its value base by base, on multiples of 2^-24, so that sums are exact. */
static void add_match(const sums_of_copies *to, int64_t c, int64_t start, int width) {
    for (int64_t t = 0; t < to->n_targets; t++) {
        const double *values = to->track + t * to->length + start;
        double value = 0;
        for (int j = 0; j < width; j++) value += values[j];
        if (!isfinite(value)) continue;
        to->count[t * to->n_copies + c]++;
        to->total[t * to->n_copies + c] += rint(value * 0x1p24) * 0x1p-24;
    }
}

/* A copy that is held ready, number `copy` of all. */
typedef struct {
    strand strands[2];
    int64_t copy;
    int width;
    int32_t limit;
} held_copy;

/* Adds a copy's matches that start in the stretch from `at` on, of n_groups groups. */
static void add_stretch(strands_fn filter, const held_copy *h, int both_strands,
                        const uint8_t *bases, const uint8_t *codes, const uint64_t *starts,
                        int n_groups, int64_t at, const sums_of_copies *to) {
    uint64_t masks[GROUPS][2];
    int which[GROUPS];
    const int32_t divisor = h->limit / LARGEST_BYTE + 1;
    const int n = filter(codes + at, n_groups, h->strands[0].pairs, h->strands[both_strands].pairs,
                         (h->width + 1) / 2, (uint8_t)(h->limit / divisor), which, masks);
    for (int i = 0; i < n; i++)
        for (int s = 0; s <= both_strands; s++)
            for (uint64_t left = masks[i][s] & starts[at / GROUP + which[i]]; left;
                 left &= left - 1) {
                const int64_t start = at + which[i] * GROUP + trailing_zeros(left);
                if (exact_loss(bases + start, h->width, h->strands[s].loss, h->limit) >= 0)
                    add_match(to, h->copy, start, h->width);
            }
}

/* Bytes of scratch that fimo_copies needs. */
int64_t fimo_copies_scratch(int64_t length, int64_t largest_width) {
    const int64_t padded = length + STRETCH + largest_width + 2 * GROUP;
    return (length / STRETCH + 1) * GROUPS * 8 + 2 * padded + COPIES * 2 * 24 * (largest_width + 1);
}

/* Adds to count and total, (n_targets, n_motifs * n_copies), the matches of column-shuffled copies
 * that start where `own` is not 0.
 *   track: (n_targets, length); a match with a value that is not finite is left out of the target;
 *   width[m], column[m]: of motif m in `loss`, four numbers a column; limit[c] of each copy (-1: it
 *   has no match); order: the columns of each copy, width[m] numbers, one copy behind the other;
 *   scratch: fimo_copies_scratch, aligned to 8 bytes. */
void fimo_copies(const uint8_t *tokens, int64_t length, const uint8_t *own, const double *track,
                 int64_t n_targets, int64_t n_motifs, int64_t n_copies, int both_strands,
                 const int32_t *width, const int64_t *column, const int32_t *loss,
                 const int32_t *limit, const int16_t *order, int64_t largest_width,
                 uint64_t *scratch, int portable, int64_t *count, double *total) {
    strands_fn filter = strands_portable;
#if FIMO_HAS_AVX2
    if (!portable && fimo_has_avx2()) filter = strands_avx2;
#endif
    (void)portable;
    const int64_t n = n_motifs * n_copies, n_groups = (length / STRETCH + 1) * GROUPS;
    const int64_t padded = length + STRETCH + largest_width + 2 * GROUP;
    const sums_of_copies to = {n_targets, length, n, track, count, total};
    uint64_t *starts = scratch;
    int32_t *losses = (int32_t *)(starts + n_groups);
    uint8_t *pairs = (uint8_t *)(losses + COPIES * 2 * 4 * largest_width);
    uint8_t *bases = pairs + COPIES * 2 * 8 * (largest_width + 1), *codes = bases + padded;
    held_copy held[COPIES];
    int n_held = 0;
    read_stretch(tokens, length, 0, padded, bases, codes);
    mark_starts(bases, length, n_groups, starts);
    for (int64_t i = 0; i < length; i++)
        if (!own[i]) starts[i / GROUP] &= ~((uint64_t)1 << (i % GROUP));
    for (int64_t c = 0; c < n; c++) {
        const int64_t m = c / n_copies;
        if (limit[c] >= 0) {
            held_copy *h = held + n_held;
            h->copy = c, h->width = width[m], h->limit = limit[c];
            for (int s = 0; s <= both_strands; s++) {
                h->strands[s].loss = losses + (2 * n_held + s) * 4 * largest_width;
                h->strands[s].pairs = pairs + (2 * n_held + s) * 8 * (largest_width + 1);
                lay_out(loss + 4 * column[m], order, width[m], s,
                        limit[c] / LARGEST_BYTE + 1, &h->strands[s]);
            }
            n_held++;
        }
        order += width[m];
        if (n_held < COPIES && c + 1 < n) continue;
        for (int64_t at = 0; at < length; at += STRETCH) {
            const int64_t left = length - at < STRETCH ? length - at : STRETCH;
            for (int i = 0; i < n_held; i++)
                add_stretch(filter, held + i, both_strands, bases, codes, starts,
                            (int)((left + 2 * GROUP - 1) / (2 * GROUP)) * 2, at, &to);
        }
        n_held = 0;
    }
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

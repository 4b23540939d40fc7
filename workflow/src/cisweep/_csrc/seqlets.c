/* Seqlet calling: bins of attributions, upper tails of sums of independent bins, the decoder of
 * recursive seqlets, and the greedy maxima of tf-modiscolite.
 *
 * Every sum runs in one fixed order and without fused multiply-adds, so that a table of tails
 * has the same bits on every machine; the variants below differ in the width of a register only.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

#if (defined(__x86_64__) || defined(_M_X64)) && defined(__GNUC__)
#define X86_VARIANTS 1
#else
#define X86_VARIANTS 0
#endif

/* ---- bins ------------------------------------------------------------------------------- */

/* The difference is taken in the type of the attributions and the quotient in double, as the
 * reference does; what lies outside the range goes to the end bins. */
#define DEFINE_BINS(NAME, TYPE)                                                                  \
    void NAME(const TYPE *x, int64_t n, double low, double width, int64_t n_bins, int32_t *bins) \
    {                                                                                            \
        const TYPE base = (TYPE)low;                                                             \
        const double top = (double)(n_bins - 1);                                                 \
        for (int64_t i = 0; i < n; i++) {                                                        \
            double b = (double)(TYPE)(x[i] - base) / width;                                      \
            b = b > 0.0 ? b : 0.0;                                                               \
            b = b < top ? b : top; /* not negative: the cast is the floor */                     \
            bins[i] = (int32_t)b;                                                                \
        }                                                                                        \
    }

DEFINE_BINS(seqlet_bins_f32, float)
DEFINE_BINS(seqlet_bins_f64, double)

void seqlet_histogram(const int32_t *bins, int64_t n, int64_t *counts)
{
    for (int64_t i = 0; i < n; i++)
        counts[bins[i]]++;
}

/* ---- tails ------------------------------------------------------------------------------ */

/* next[m] = sum over the occupied bins j, largest first, of row[m - j] * f[j]. `row` has as many
 * zeros in front as there are bins. Eight vectors of outputs stay in registers. */
#define DEFINE_CONVOLVE(NAME, BYTES, ATTRIBUTE)                                                   \
    typedef double NAME##_vector __attribute__((vector_size(BYTES), aligned(8), may_alias));      \
    ATTRIBUTE static void NAME(const double *row, int64_t n_row, double *next, int64_t n_out,     \
                               const int64_t *bin, const double *f, int64_t n_occupied)           \
    {                                                                                             \
        const int64_t lanes = BYTES / 8;                                                          \
        int64_t first = n_occupied, last = n_occupied; /* the bins that reach into the row */     \
        for (int64_t m = 0; m < n_out; m += 8 * lanes) {                                          \
            NAME##_vector a = {0}, b = {0}, c = {0}, d = {0}, e = {0}, g = {0}, h = {0}, i = {0}; \
            while (first > 0 && bin[first - 1] < m + 8 * lanes)                                   \
                first--;                                                                          \
            while (last > 0 && bin[last - 1] <= m - n_row)                                        \
                last--;                                                                           \
            for (int64_t t = first; t < last; t++) {                                              \
                const NAME##_vector *from = (const NAME##_vector *)(row + m - bin[t]);            \
                const double w = f[t];                                                            \
                a += from[0] * w, b += from[1] * w, c += from[2] * w, d += from[3] * w;           \
                e += from[4] * w, g += from[5] * w, h += from[6] * w, i += from[7] * w;           \
            }                                                                                     \
            NAME##_vector *to = (NAME##_vector *)(next + m);                                      \
            to[0] = a, to[1] = b, to[2] = c, to[3] = d, to[4] = e, to[5] = g, to[6] = h;          \
            to[7] = i;                                                                            \
        }                                                                                         \
    }

DEFINE_CONVOLVE(convolve_portable, 16, )
#if X86_VARIANTS
DEFINE_CONVOLVE(convolve_avx2, 32, __attribute__((target("avx2"))))
DEFINE_CONVOLVE(convolve_avx512, 64, __attribute__((target("avx512f"))))
#endif

typedef void (*convolve_fn)(const double *, int64_t, double *, int64_t, const int64_t *,
                            const double *, int64_t);

static convolve_fn best_convolve(void)
{
#if X86_VARIANTS
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f"))
        return convolve_avx512;
    if (__builtin_cpu_supports("avx2"))
        return convolve_avx2;
#endif
    return convolve_portable;
}

/* tails[k, s] = P(S >= s), S the sum of k independent bins with probabilities f. Row k has
 * n_bins * max_len + 1 entries. Summed from the top: 1 - CDF loses the small tails to rounding.
 * Returns 0, or -1 without memory. */
int64_t seqlet_tails(const double *f, int64_t n_bins, int64_t max_len, double *tails)
{
    const int64_t stride = n_bins * max_len + 1, pad = 64;
    const int64_t room = n_bins + n_bins * max_len + 2 * pad;
    double *memory = calloc((size_t)(2 * room), sizeof(double));
    int64_t *bin = malloc((size_t)n_bins * sizeof(int64_t));
    double *weight = malloc((size_t)n_bins * sizeof(double));
    if (!memory || !bin || !weight) {
        free(memory), free(bin), free(weight);
        return -1;
    }
    int64_t n_occupied = 0;
    for (int64_t j = n_bins - 1; j >= 0; j--)
        if (f[j] != 0.0) {
            bin[n_occupied] = j;
            weight[n_occupied++] = f[j];
        }
    double *row = memory + n_bins, *next = memory + room + n_bins;
    memcpy(row, f, (size_t)n_bins * sizeof(double));
    const convolve_fn convolve = best_convolve();
    for (int64_t k = 1; k <= max_len; k++) {
        if (k > 1) {
            convolve(row, n_bins * (k - 1), next, k * (n_bins - 1) + 1, bin, weight, n_occupied);
            double *swap = row;
            row = next, next = swap;
        }
        double *tail = tails + k * stride, sum = 0.0;
        for (int64_t s = n_bins * k; s < stride; s++)
            tail[s] = 0.0;
        for (int64_t s = n_bins * k - 1; s >= 0; s--)
            tail[s] = sum = sum + row[s];
    }
    free(memory), free(bin), free(weight);
    return 0;
}

/* ---- recursive seqlets ------------------------------------------------------------------ */

typedef struct {
    double p;      /* largest p-value over the span's prefixes: the order of the visit */
    double worst;  /* largest p-value over all sub-spans of at least min_len */
    int32_t start;
} span;

typedef struct {
    const double *tails;
    const int64_t *cut; /* cut[k]: the smallest sum of k bins with a p-value below the threshold */
    int64_t stride, length, min_len, max_len;
    uint32_t *sums; /* running sums of one row's bins; they may wrap, differences do not */
    span *spans;    /* (max_len - min_len + 1, length), shortest first */
    int64_t *count;
    int64_t *taken; /* stamp of the last call that holds a position */
} decoder;

static int span_order(const void *left, const void *right)
{
    const span *a = left, *b = right;
    if (a->p != b->p)
        return a->p < b->p ? -1 : 1;
    return a->start < b->start ? -1 : a->start > b->start;
}

static void sort_spans(span *spans, int64_t n)
{
    if (n > 24) {
        qsort(spans, (size_t)n, sizeof(span), span_order);
        return;
    }
    for (int64_t i = 1; i < n; i++) {
        const span moving = spans[i];
        int64_t j = i;
        for (; j > 0 && moving.p < spans[j - 1].p; j--) /* starts ascend: stable is enough */
            spans[j] = spans[j - 1];
        spans[j] = moving;
    }
}

/* Fill the spans of one row of which all sub-spans pass, length by length: a span passes only if
 * both of its sub-spans one shorter did. */
static void find_spans(decoder *d, const int32_t *bins)
{
    const int64_t n_lens = d->max_len - d->min_len + 1;
    uint32_t running = 0;
    d->sums[0] = 0;
    for (int64_t j = 0; j < d->length; j++)
        d->sums[j + 1] = running += (uint32_t)bins[j];
    int64_t n = 0;
    const double *tail = d->tails + d->min_len * d->stride;
    const uint32_t *ahead = d->sums + d->min_len;
    const uint32_t cut = (uint32_t)d->cut[d->min_len];
    for (int64_t k = 0; k + d->min_len <= d->length; k++) { /* no branch: few pass, at random */
        d->spans[n].start = (int32_t)k;
        n += ahead[k] - d->sums[k] >= cut;
    }
    for (int64_t a = 0; a < n; a++) {
        const int64_t k = d->spans[a].start;
        d->spans[a].p = d->spans[a].worst = tail[ahead[k] - d->sums[k]];
    }
    d->count[0] = n;
    for (int64_t r = 1; r < n_lens; r++) {
        const int64_t len = d->min_len + r;
        const span *shorter = d->spans + (r - 1) * d->length;
        span *spans = d->spans + r * d->length;
        const int64_t m = n;
        tail += d->stride;
        n = 0;
        for (int64_t a = 0; a + 1 < m; a++) {
            const int64_t k = shorter[a].start;
            if (shorter[a + 1].start != k + 1)
                continue;
            const int64_t sum = (int64_t)(uint32_t)(d->sums[k + len] - d->sums[k]);
            if (sum < d->cut[len])
                continue;
            const double own = tail[sum];
            const double p = own > shorter[a].p ? own : shorter[a].p;
            spans[n].start = (int32_t)k;
            spans[n].p = p;
            spans[n].worst = p > shorter[a + 1].worst ? p : shorter[a + 1].worst;
            n++;
        }
        d->count[r] = n;
    }
}

/* Spans are taken longest first, so a taken span that overlaps a shorter one covers at least
 * one of the two ends of the latter. */
static int is_free(const decoder *d, int64_t start, int64_t len, int64_t stamp)
{
    return d->taken[start] != stamp && d->taken[start + len - 1] != stamp;
}

static int take(decoder *d, int64_t start, int64_t len, int64_t stamp)
{
    if (!is_free(d, start, len, stamp))
        return 0;
    for (int64_t j = start; j < start + len; j++)
        d->taken[j] = stamp;
    return 1;
}

static int open_decoder(decoder *d)
{
    const int64_t n_lens = d->max_len - d->min_len + 1;
    d->sums = malloc((size_t)(d->length + 1) * sizeof(uint32_t));
    d->spans = malloc((size_t)(n_lens * d->length + 1) * sizeof(span));
    d->count = malloc((size_t)n_lens * sizeof(int64_t));
    d->taken = calloc((size_t)d->length + 1, sizeof(int64_t));
    return d->sums && d->spans && d->count && d->taken;
}

static void close_decoder(decoder *d)
{
    free(d->sums), free(d->spans), free(d->count), free(d->taken);
}

/* Call seqlets of (n, length) bins: longest first, then lowest p-value, then leftmost, without
 * overlaps. The outputs hold n * (length / min_len) entries. Returns how many were called, or
 * -1 without memory. */
int64_t seqlet_decode(const int32_t *bins, int64_t n, int64_t length, const double *tails,
                      int64_t stride, const int64_t *cut, int64_t min_len, int64_t max_len,
                      int64_t *example, int64_t *start, int64_t *end, double *p)
{
    decoder d = {.tails = tails, .cut = cut, .stride = stride, .length = length,
                 .min_len = min_len, .max_len = max_len};
    int64_t called = open_decoder(&d) ? 0 : -1;
    for (int64_t i = 0; called >= 0 && i < n; i++) {
        find_spans(&d, bins + i * length);
        for (int64_t len = max_len; len >= min_len; len--) {
            span *spans = d.spans + (len - min_len) * length;
            int64_t left = 0;
            for (int64_t c = 0; c < d.count[len - min_len]; c++)
                if (is_free(&d, spans[c].start, len, i + 1))
                    spans[left++] = spans[c];
            sort_spans(spans, left);
            for (int64_t c = 0; c < left; c++) {
                const int64_t from = spans[c].start;
                if (!take(&d, from, len, i + 1))
                    continue;
                const int64_t sum = (int64_t)(uint32_t)(d.sums[from + len] - d.sums[from]);
                example[called] = i;
                start[called] = from;
                end[called] = from + len;
                p[called++] = tails[len * stride + sum];
            }
        }
    }
    close_decoder(&d);
    return called;
}

/* Add to calls[t] how many seqlets are called at thresholds[t] (largest first; `cut` belongs to
 * the largest). Returns 0, or -1 without memory. */
int64_t seqlet_count(const int32_t *bins, int64_t n, int64_t length, const double *tails,
                     int64_t stride, const int64_t *cut, int64_t min_len, int64_t max_len,
                     const double *thresholds, int64_t n_thresholds, int64_t *calls)
{
    decoder d = {.tails = tails, .cut = cut, .stride = stride, .length = length,
                 .min_len = min_len, .max_len = max_len};
    const int ready = open_decoder(&d);
    int64_t stamp = 0;
    for (int64_t i = 0; ready && i < n; i++) {
        find_spans(&d, bins + i * length);
        for (int64_t len = min_len; len <= max_len; len++)
            sort_spans(d.spans + (len - min_len) * length, d.count[len - min_len]);
        for (int64_t t = 0; t < n_thresholds; t++) {
            int64_t called = 0;
            stamp++;
            for (int64_t len = max_len; len >= min_len; len--) {
                const span *spans = d.spans + (len - min_len) * length;
                for (int64_t c = 0; c < d.count[len - min_len]; c++) {
                    if (spans[c].p >= thresholds[t])
                        break;
                    if (spans[c].worst < thresholds[t])
                        called += take(&d, spans[c].start, len, stamp);
                }
            }
            calls[t] += called;
            if (called == 0) /* a stricter threshold calls nothing either */
                break;
        }
    }
    close_decoder(&d);
    return ready ? 0 : -1;
}

/* Sums of x over [start, end) of rows `example`. */
#define DEFINE_SUMS(NAME, TYPE)                                                                  \
    void NAME(const TYPE *x, int64_t length, const int64_t *example, const int64_t *start,       \
              const int64_t *end, int64_t n, double *out)                                        \
    {                                                                                            \
        for (int64_t i = 0; i < n; i++) {                                                        \
            const TYPE *row = x + example[i] * length;                                           \
            double sum = 0.0;                                                                    \
            for (int64_t j = start[i]; j < end[i]; j++)                                          \
                sum += (double)row[j];                                                           \
            out[i] = sum;                                                                        \
        }                                                                                        \
    }

DEFINE_SUMS(seqlet_sums_f32, float)
DEFINE_SUMS(seqlet_sums_f64, double)

/* ---- tf-modiscolite --------------------------------------------------------------------- */

/* Greedy maxima of |sums| among the windows with sum >= high or sum <= low and at least `flank`
 * from both ends; each takes the windows from -reach to +reach out. `position` and `value` have
 * room for `width`; the outputs for n * (width / (reach + 1) + 1). Returns the number found. */
int64_t seqlet_maxima(const double *sums, int64_t n, int64_t width, double high, double low,
                      int64_t flank, int64_t reach, int64_t *position, double *value,
                      int64_t *example, int64_t *start)
{
    int64_t found = 0;
    for (int64_t i = 0; i < n; i++) {
        const double *row = sums + i * width;
        int64_t left = 0;
        for (int64_t j = flank; j < width - flank; j++)
            if (row[j] >= high || row[j] <= low) {
                position[left] = j;
                value[left++] = fabs(row[j]);
            }
        while (left > 0) {
            int64_t best = 0, kept = 0;
            for (int64_t c = 1; c < left; c++)
                if (value[c] > value[best])
                    best = c;
            const int64_t centre = position[best];
            example[found] = i;
            start[found++] = centre;
            for (int64_t c = 0; c < left; c++)
                if (position[c] < centre - reach || position[c] > centre + reach) {
                    position[kept] = position[c];
                    value[kept++] = value[c];
                }
            left = kept;
        }
    }
    return found;
}

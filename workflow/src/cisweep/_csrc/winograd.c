/* A dilated convolution by quads of four outputs, with half the multiplications.
 *
 * Source: Lavin and Gray 2016 (arXiv:1509.09308), F(4, 3) after Winograd, with the points 0, 1, -1,
 * 2, -2 and infinity. A quad is the outputs at p, p + d, p + 2 d, p + 3 d for dilation d. For three
 * taps it reads six inputs, d apart; six combinations of them are multiplied with six of the
 * weights, where the definition needs twelve products, and the four outputs are combinations of the
 * sums over channels. A wider kernel is split in threes of taps, which add up before the last
 * step. Each quad is computed by itself in one order, so that results do not depend on what stands
 * beside it, nor on threads.
 *
 * Compiled for AVX-512 and for AVX2, chosen at run time; other machines have no gain from it, and
 * the caller takes another way (winograd_floats() is 0). */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("fp-contract=fast") /* a product and a sum are one instruction */
#endif
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 16 /* input channels whose combinations stand side by side */
#define GROUP 6  /* quads that share the loads of the weights */
#define QUADS 24 /* quads at a time: their combinations stay in a core's cache */

struct layer {
    int64_t length, row;       /* input positions, and floats from one to the next */
    int64_t n_positions;       /* of the output */
    int n_in, n_out, n_threes; /* channels; taps / 3, rounded up */
    int64_t dilation, pad;
    const float *weight, *bias;
};

static int blocks_of(const struct layer *layer) { return (layer->n_in + BLOCK - 1) / BLOCK; }

#if defined(__x86_64__) && defined(__GNUC__)
#define X86_VARIANTS 1
#define UNROLL _Pragma("GCC unroll 8")

#define VARIANT(name) name##_avx512
#define TARGET __attribute__((target("avx512f,fma")))
#define FLOATS 16
#define WIDE 4
#include "winograd.h"

#define VARIANT(name) name##_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define FLOATS 8
#define WIDE 2
#include "winograd.h"
#else
#define X86_VARIANTS 0
#endif

/* Numbers in a vector of the widest variant that runs here; 0 where none does. */
int winograd_floats(void)
{
#if X86_VARIANTS
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) return 16;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 8;
#endif
    return 0;
}

/* Quads of one window: the outputs at p + {0, 1, 2, 3} d for each p whose first one exists. */
static int64_t quads_of(int64_t n_positions, int64_t dilation)
{
    const int64_t whole = n_positions / (4 * dilation), rest = n_positions % (4 * dilation);
    return whole * dilation + (rest < dilation ? rest : dilation);
}

/* Convolves quads [begin, end) of all windows' quads, by the variant of `floats` numbers.
 *
 * x: `batch` floats from one window to the next, `row` from one position to the next, channels
 * side by side. y: (windows, n_positions, n_out). weight: for each block of 4 (AVX-512) or 2 (AVX2)
 * vectors of outputs, the last one narrower: (6, n_threes, channels filled up to 16s, outputs of
 * the block). bias: n_out filled up to whole vectors. Returns 0, or -1 without memory. */
int64_t winograd_convolve(int floats, const float *x, int64_t batch, int64_t row, int64_t length,
                      const float *weight, const float *bias, float *y, int64_t n_positions,
                      int n_in, int n_out, int n_threes, int64_t dilation, int64_t pad,
                      int64_t begin, int64_t end)
{
#if X86_VARIANTS
    const struct layer layer = {length, row, n_positions, n_in, n_out, n_threes,
                                dilation, pad, weight, bias};
    const int64_t n_quads = quads_of(n_positions, dilation);
    const size_t size = (size_t)QUADS * 6 * (size_t)(blocks_of(&layer) * n_threes) * BLOCK;
    float *space = aligned_alloc(64, sizeof(float) * size);
    if (!space) return -1;
    memset(space, 0, sizeof(float) * size); /* a group that is not full has no strange numbers */
    while (begin < end) {
        const int64_t window = begin / n_quads, quad = begin % n_quads;
        int64_t first[QUADS];
        int n = 0;
        for (; n < QUADS && quad + n < n_quads && begin + n < end; n++) {
            const int64_t span = (quad + n) / dilation;
            first[n] = span * 4 * dilation + (quad + n) % dilation;
        }
        (floats == 16 ? convolve_avx512 : convolve_avx2)(
            &layer, x + window * batch, y + window * n_positions * n_out, first, n, space);
        begin += n;
    }
    free(space);
    return 0;
#else
    (void)floats, (void)x, (void)batch, (void)row, (void)length, (void)weight, (void)bias, (void)y;
    (void)n_positions, (void)n_in, (void)n_out, (void)n_threes, (void)dilation, (void)pad;
    (void)begin, (void)end, (void)quads_of, (void)blocks_of;
    return -1;
#endif
}

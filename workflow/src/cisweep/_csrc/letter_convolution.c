/* A convolution over one-hot letters: for each tap the weights of the letter that it reads are added.
 *
 * Rows of zeros (N) are passed over; a row with several numbers is summed in full, so that the result
 * is that of the definition for any input. Each output is summed in one order, tap by tap. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define X86_VARIANTS 1
#else
#define X86_VARIANTS 0
#endif

enum { BLOCK = 16, NONE = -1, SEVERAL = -2 };
/* As wide as a register of each variant: the compiler keeps sums of wider ones in memory. */
typedef float vec16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef float vec8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef float vec4 __attribute__((vector_size(16), aligned(4), may_alias));

struct layer {
    int64_t length, n_positions, dilation, pad;
    int n_in, n_out, width;
    const float *weight, *bias;
};

/* What stands at each position: the one channel that is not 0, NONE or SEVERAL; and its value. */
static void read_letters(const struct layer *layer, const float *x, int64_t channel, int64_t row,
                         int8_t *letter, float *value)
{
    for (int64_t p = 0; p < layer->length; p++) {
        letter[p] = NONE, value[p] = 0;
        for (int c = 0; c < layer->n_in; c++) {
            const float v = x[p * row + c * channel];
            if (v == 0) continue;
            letter[p] = letter[p] == NONE ? (int8_t)c : SEVERAL, value[p] = v;
        }
    }
}

/* n blocks of outputs from the output `first` on, at all positions. */
#define DEFINE_ADD(name, n, vec, TARGET)                                                           \
    TARGET static void name##n(const struct layer *layer, const float *x, int64_t channel,         \
                               int64_t row, const int8_t *letter, const float *value, int first,   \
                               float *y)                                                           \
    {                                                                                              \
        const int64_t d = layer->dilation, filled = (layer->n_out + BLOCK - 1) / BLOCK * BLOCK;    \
        const int here = layer->n_out - first;                                                     \
        enum { LANES = sizeof(vec) / sizeof(float), VECS = n * BLOCK / LANES };                    \
        for (int64_t p = 0; p < layer->n_positions; p++) {                                         \
            vec sum[VECS];                                                                         \
            for (int j = 0; j < VECS; j++)                                                         \
                sum[j] = *(const vec *)(layer->bias + first + j * LANES);                          \
            const float *w = layer->weight + first;                                                \
            int64_t q = p - layer->pad;                                                            \
            for (int t = 0; t < layer->width; t++, q += d, w += layer->n_in * filled) {            \
                if (q < 0 || q >= layer->length || letter[q] == NONE) continue;                    \
                const int one = letter[q] != SEVERAL;                                              \
                for (int c = one ? letter[q] : 0; c < layer->n_in; c++) {                          \
                    const float v = one ? value[q] : x[q * row + c * channel];                     \
                    for (int j = 0; j < VECS; j++)                                                 \
                        sum[j] += v * *(const vec *)(w + c * filled + j * LANES);                  \
                    if (one) break;                                                                \
                }                                                                                  \
            }                                                                                      \
            float *to = y + p * layer->n_out + first;                                              \
            if (here >= n * BLOCK) memcpy(to, sum, sizeof sum);                                    \
            else memcpy(to, sum, sizeof(float) * (size_t)here);                                    \
        }                                                                                          \
    }
#define DEFINE_ADDS(name, vec, TARGET)                                                             \
    DEFINE_ADD(name, 1, vec, TARGET)                                                               \
    DEFINE_ADD(name, 2, vec, TARGET)                                                               \
    DEFINE_ADD(name, 3, vec, TARGET)                                                               \
    DEFINE_ADD(name, 4, vec, TARGET)                                                               \
    static const add_fn name[4] = {name##1, name##2, name##3, name##4};

typedef void (*add_fn)(const struct layer *, const float *, int64_t, int64_t, const int8_t *,
                       const float *, int, float *);

DEFINE_ADDS(add_portable, vec4, )
#if X86_VARIANTS
DEFINE_ADDS(add_avx2, vec8, __attribute__((target("avx2,fma"))))
DEFINE_ADDS(add_avx512, vec16, __attribute__((target("avx512f,fma"))))
#endif

static const add_fn *best_add(void)
{
#if X86_VARIANTS
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) return add_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return add_avx2;
#endif
    return add_portable;
}

/* Convolves windows [begin, end).
 *
 * x: `batch` floats from one window to the next, `channel` from one channel to the next, `row` from
 * one position to the next. weight: (width, n_in, n_out filled up to 16s). bias: n_out filled up
 * to 16s. y: (windows, n_positions, n_out). Returns 0, or -1 without memory. */
int64_t letter_convolve(const float *x, int64_t batch, int64_t channel, int64_t row, int64_t length,
                        const float *weight, const float *bias, float *y, int64_t n_positions,
                        int n_in, int n_out, int width, int64_t dilation, int64_t pad,
                        int64_t begin, int64_t end)
{
    const struct layer layer = {length, n_positions, dilation, pad, n_in, n_out, width, weight, bias};
    const add_fn *add = best_add();
    int8_t *letter = malloc((size_t)length);
    float *value = malloc(sizeof(float) * (size_t)length);
    if (!letter || !value) {
        free(letter), free(value);
        return -1;
    }
    for (int64_t i = begin; i < end; i++) {
        const float *window = x + i * batch;
        read_letters(&layer, window, channel, row, letter, value);
        for (int first = 0; first < n_out; first += 4 * BLOCK) {
            const int left = (n_out - first + BLOCK - 1) / BLOCK, n = left < 4 ? left : 4;
            add[n - 1](&layer, window, channel, row, letter, value, first,
                       y + i * n_positions * n_out);
        }
    }
    free(letter), free(value);
    return 0;
}

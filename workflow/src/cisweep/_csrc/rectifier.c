/* ReLU or leaky ReLU of a reference and its secant to an example, in one pass over memory. */
#include <math.h>
#include <stdint.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define X86_VARIANTS 1
#else
#define X86_VARIANTS 0
#endif

/* For inputs u, v the secant of ReLU is max(u, v) / |u - v| cut to [0, 1]; leaky ReLU is
 * slope x + (1 - slope) ReLU(x). Comparisons are written so that NaN stays NaN. */
#define DEFINE_SECANT(name, TARGET)                                                                \
    TARGET static void name(const float *restrict x, const float *restrict example, float slope,   \
                            float *restrict value, float *restrict secant, int64_t begin,          \
                            int64_t end)                                                           \
    {                                                                                              \
        for (int64_t i = begin; i < end; i++) {                                                    \
            const float u = example[i], v = x[i];                                                  \
            float s = (u > v ? u : v) / fabsf(u - v);                                              \
            s = s < 0.0f ? 0.0f : s;                                                               \
            s = s > 1.0f ? 1.0f : s;                                                               \
            secant[i] = slope + (1.0f - slope) * s;                                                \
            const float below = slope == 0.0f ? 0.0f : slope * v;                                  \
            value[i] = v <= 0.0f ? below : v;                                                      \
        }                                                                                          \
    }

DEFINE_SECANT(secant_portable, )
#if X86_VARIANTS
DEFINE_SECANT(secant_avx2, __attribute__((target("avx2"))))
DEFINE_SECANT(secant_avx512, __attribute__((target("avx512f"))))
#endif

/* x, example, value, secant: the same layout; elements [begin, end). */
void rectifier_secant(const float *x, const float *example, float slope, float *value,
                      float *secant, int64_t begin, int64_t end)
{
#if X86_VARIANTS
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) {
        secant_avx512(x, example, slope, value, secant, begin, end);
        return;
    }
    if (__builtin_cpu_supports("avx2")) {
        secant_avx2(x, example, slope, value, secant, begin, end);
        return;
    }
#endif
    secant_portable(x, example, slope, value, secant, begin, end);
}

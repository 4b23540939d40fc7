/* Multipliers of max pooling over windows whose near ties share the maximum, LANES at once. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define X86_VARIANTS 1
#define INLINE static inline __attribute__((always_inline))
/* No traps of floating point are read: both values of a choice may be computed in all lanes. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-trapping-math")
#endif
#else
#define X86_VARIANTS 0
#define INLINE static inline
#endif

enum { LANES = 16, FEW = 8 }; /* of few positions none is passed over: to ask costs more */

typedef struct {
    float top[LANES], reach[LANES], least[LANES];
} Side;

/* Branches are written as choices between values, for the compiler to run all lanes at once. */
INLINE float part_of(float v, float top, float reach)
{
    const float gap = v - top, part = (gap / reach + 1.0f) * 1.0625f;
    const float most = part < 1.0f ? part : 1.0f;
    const float found = gap > -reach ? most : 0.0f;
    return v == top ? 1.0f : found;
}

/* The maximum of each lane of v (size, LANES), how far below it winners are, and the least value
 * that may win: twice the reach below, so that none is lost by rounding. */
INLINE void side_of(Side *side, const float *restrict v, int64_t size, float tie)
{
    float low[LANES];
    for (int i = 0; i < LANES; i++) {
        side->top[i] = -INFINITY;
        low[i] = INFINITY;
    }
    for (int64_t k = 0; k < size; k++) {
        for (int i = 0; i < LANES; i++) {
            const float each = v[k * LANES + i];
            /* NaN stays, as in torch. */
            const float larger = each <= side->top[i] ? side->top[i] : each;
            side->top[i] = side->top[i] != side->top[i] ? side->top[i] : larger;
            low[i] = each < low[i] ? each : low[i];
        }
    }
    int finite = 1;
    for (int i = 0; i < LANES; i++) {
        const float up = fabsf(side->top[i]), down = fabsf(low[i]);
        const float most = up > down ? up : down;
        side->reach[i] = most * tie;
        finite &= (up < INFINITY) & (down < INFINITY);
    }
    /* Masked positions say nothing of the size. */
    for (int i = 0; !finite && i < LANES; i++) {
        float most = 0.0f;
        for (int64_t k = 0; k < size; k++) {
            const float each = fabsf(v[k * LANES + i]);
            most = each > most && each < INFINITY ? each : most;
        }
        side->reach[i] = most * tie;
    }
    for (int i = 0; i < LANES; i++) {
        side->least[i] = side->top[i] - 2.0f * side->reach[i];
    }
}

/* Whether any lane wins in either sequence. */
INLINE int any_wins(const float *restrict v, const float *restrict u, const Side *side,
                    const Side *side_e)
{
    int n = 0;
    for (int i = 0; i < LANES; i++) {
        n += v[i] >= side->least[i] ? 1 : 0;
        n += u[i] >= side_e->least[i] ? 1 : 0;
    }
    return n > 0;
}

/* v (reference), u (example), found: (size, LANES), a window a lane. */
INLINE void shares_of(const float *restrict v, const float *restrict u, float *restrict found,
                      int64_t size, float tie)
{
    Side side, side_e;
    side_of(&side, v, size, tie);
    side_of(&side_e, u, size, tie);
    float sign[LANES], share[LANES], whole[LANES], whole_e[LANES];
    for (int i = 0; i < LANES; i++) {
        const float difference = side_e.top[i] - side.top[i];
        sign[i] = difference > 0.0f ? 1.0f : difference < 0.0f ? -1.0f : difference;
        share[i] = fabsf(difference);
        whole[i] = whole_e[i] = 0.0f;
    }
    for (int64_t k = 0; k < size; k++) {
        const float *restrict a = v + k * LANES, *restrict b = u + k * LANES;
        float *restrict part = found + k * LANES;
        if (size > FEW && !any_wins(a, b, &side, &side_e)) {
            continue;
        }
        for (int i = 0; i < LANES; i++) {
            const float part_v = part_of(a[i], side.top[i], side.reach[i]);
            const float part_u = part_of(b[i], side_e.top[i], side_e.reach[i]);
            const float won = sign[i] > 0.0f ? part_u : part_v;
            const float fraction = (b[i] - a[i]) * sign[i] / share[i];
            const float below = fraction < 1.0f ? fraction : 1.0f;
            const float taken = fraction > 0.0f && fraction < INFINITY ? below : 0.0f;
            whole[i] += taken * won;
            whole_e[i] += part_u;
            part[i] = won;
        }
    }
    for (int64_t k = 0; k < size; k++) {
        const float *restrict a = v + k * LANES, *restrict b = u + k * LANES;
        float *restrict m = found + k * LANES;
        if (size > FEW && !any_wins(a, b, &side, &side_e)) {
            for (int i = 0; i < LANES; i++) {
                m[i] = 0.0f;
            }
            continue;
        }
        for (int i = 0; i < LANES; i++) {
            const float change = b[i] - a[i], room = change * sign[i];
            const float most = share[i] / room;
            const float winning = (most < 1.0f ? most : 1.0f) * m[i] / whole[i];
            const float slope = part_of(b[i], side_e.top[i], side_e.reach[i]) / whole_e[i];
            const float moved = room > 0.0f ? winning : 0.0f;
            const float each = change == 0.0f ? slope : moved;
            m[i] = fabsf(each) < INFINITY ? each : 0.0f;
        }
    }
}

#define DEFINE_SHARES(name, TARGET)                                                                \
    TARGET static void name(const float *restrict v, const float *restrict u,                      \
                            float *restrict found, int64_t size, float tie)                        \
    {                                                                                              \
        shares_of(v, u, found, size, tie);                                                         \
    }

typedef void (*Shares)(const float *restrict, const float *restrict, float *restrict, int64_t,
                       float);

DEFINE_SHARES(shares_portable, )
#if X86_VARIANTS
DEFINE_SHARES(shares_avx2, __attribute__((target("avx2"))))
DEFINE_SHARES(shares_avx512, __attribute__((target("avx512f"))))
#endif

static Shares chosen(void)
{
#if X86_VARIANTS
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f")) {
        return shares_avx512;
    }
    if (__builtin_cpu_supports("avx2")) {
        return shares_avx2;
    }
#endif
    return shares_portable;
}

/* x (reference), example: (outer, positions, inner); table: (outputs, size), the positions of each
 * window, -1 where it leaves the input; multiplier: (outer, outputs, size, inner), that of each
 * position in each window; scratch: 3 * size * 16. Rows [begin, end) of outer * outputs. */
void window_shares(const float *x, const float *example, const int64_t *table, float *multiplier,
                   float *scratch, float tie, int64_t positions, int64_t outputs, int64_t size,
                   int64_t inner, int64_t begin, int64_t end)
{
    const Shares shares = chosen();
    float *v = scratch, *u = v + size * LANES, *found = u + size * LANES;
    for (int64_t i = 0; i < size * LANES; i++) {
        v[i] = u[i] = 0.0f; /* lanes that a block does not use */
    }
    int64_t lanes;
    for (int64_t e = begin * inner; e < end * inner; e += lanes) {
        const int64_t left = end * inner - e, in_row = inner - e % inner;
        lanes = inner < LANES ? left : in_row;
        lanes = lanes < LANES ? lanes : LANES;
        const float *at[LANES], *at_e[LANES];
        const int64_t *window[LANES];
        float *to[LANES];
        for (int64_t i = 0; i < lanes; i++) {
            const int64_t row = (e + i) / inner, channel = (e + i) % inner;
            const int64_t from = row / outputs * positions * inner + channel;
            at[i] = x + from;
            at_e[i] = example + from;
            window[i] = table + row % outputs * size;
            to[i] = multiplier + row * size * inner + channel;
        }
        const int side_by_side = lanes == LANES && inner >= LANES;
        for (int64_t k = 0; k < size; k++) {
            if (side_by_side && window[0][k] >= 0) {
                const size_t p = (size_t)(window[0][k] * inner);
                memcpy(v + k * LANES, at[0] + p, LANES * sizeof(float));
                memcpy(u + k * LANES, at_e[0] + p, LANES * sizeof(float));
                continue;
            }
            for (int64_t i = 0; i < lanes; i++) {
                const int64_t p = window[i][k];
                /* What is outside is masked in both. */
                v[k * LANES + i] = p < 0 ? -INFINITY : at[i][p * inner];
                u[k * LANES + i] = p < 0 ? -INFINITY : at_e[i][p * inner];
            }
        }
        shares(v, u, found, size, tie);
        for (int64_t k = 0; k < size; k++) {
            if (side_by_side) {
                memcpy(to[0] + k * inner, found + k * LANES, LANES * sizeof(float));
                continue;
            }
            for (int64_t i = 0; i < lanes; i++) {
                to[i][k * inner] = found[k * LANES + i];
            }
        }
    }
}

/* found: (outer, positions, inner), what `gradient` (outer, outputs, inner) times the multiplier of
 * `window_shares` adds up to at each position. Rows [begin, end) of outer. */
void window_sums(const float *restrict multiplier, const float *restrict gradient,
                 const int64_t *restrict table, float *restrict found, int64_t positions,
                 int64_t outputs, int64_t size, int64_t inner, int64_t begin, int64_t end)
{
    for (int64_t i = begin * positions * inner; i < end * positions * inner; i++) {
        found[i] = 0.0f;
    }
    for (int64_t r = begin * outputs; r < end * outputs; r++) {
        float *sums = found + r / outputs * positions * inner;
        const float *restrict g = gradient + r * inner;
        for (int64_t k = 0; k < size; k++) {
            const int64_t p = table[r % outputs * size + k];
            if (p < 0) {
                continue;
            }
            const float *restrict m = multiplier + (r * size + k) * inner;
            float *restrict to = sums + p * inner;
            for (int64_t i = 0; i < inner; i++) {
                /* What is masked in both has no share, whatever the gradient of -inf is. */
                const float product = m[i] * g[i];
                to[i] += m[i] == 0.0f ? 0.0f : product;
            }
        }
    }
}

/* Multipliers of the maximum of a row whose near ties share it, in two passes over memory. */
#include <math.h>
#include <stdint.h>

enum { LANES = 16 };

/* One row of a pair: maxima and reaches of both; what the parts add up to; where some are. */
typedef struct {
    float top, top_e, reach, reach_e, share, sign;
    double whole, whole_e;
    int64_t low, high;
} Row;

/* How far v wins: 1 near the maximum, falling to 0 at `reach` below it; 0 for NaN. */
static inline float part_of(float v, float top, float reach)
{
    if (v == top) {
        return 1.0f;
    }
    const float gap = v - top;
    const float part = gap > -reach ? (gap / reach + 1.0f) * 1.0625f : 0.0f;
    return part < 1.0f ? part : 1.0f;
}

static inline float winning(const Row *row, float u, float v)
{
    return row->top_e > row->top ? part_of(u, row->top_e, row->reach_e)
                                 : part_of(v, row->top, row->reach);
}

static void add(Row *row, float u, float v, int64_t p)
{
    const float fraction = (u - v) * row->sign / row->share;
    if (fraction > 0.0f && fraction < INFINITY) {
        row->whole += (fraction < 1.0f ? fraction : 1.0f) * winning(row, u, v);
    }
    row->whole_e += part_of(u, row->top_e, row->reach_e);
    row->low = row->high == 0 ? p : row->low;
    row->high = p + 1;
}

static float multiplier_of(const Row *row, float u, float v)
{
    const float change = u - v, room = change * row->sign;
    float found = 0.0f;
    if (change == 0.0f) {
        found = part_of(u, row->top_e, row->reach_e) / (float)row->whole_e;
    } else if (room > 0.0f) {
        const float most = row->share / room;
        found = (most < 1.0f ? most : 1.0f) * winning(row, u, v) / (float)row->whole;
    }
    return isfinite(found) ? found : 0.0f;
}

/* x (reference), example, multiplier: (outer, positions, inner); the others: (outer, inner), the
 * maxima over positions, and how far below them winners are. Rows [begin, end) of outer · inner. */
void maximum_shares(const float *x, const float *example, const float *top, const float *top_e,
                    const float *reach, const float *reach_e, float *multiplier,
                    int64_t positions, int64_t inner, int64_t begin, int64_t end)
{
    int64_t lanes;
    for (int64_t r = begin; r < end; r += lanes) {
        const int64_t left = inner - r % inner;
        lanes = left < LANES ? left : LANES;
        lanes = end - r < lanes ? end - r : lanes;
        const int64_t at = r / inner * positions * inner + r % inner;
        Row rows[LANES];
        /* Below these nothing wins; twice the reach, so that no winner is lost by rounding. */
        float least[LANES], least_e[LANES];
        for (int64_t i = 0; i < lanes; i++) {
            const float difference = top_e[r + i] - top[r + i];
            const float sign = difference > 0.0f ? 1.0f : difference < 0.0f ? -1.0f : difference;
            rows[i] = (Row){top[r + i], top_e[r + i], reach[r + i], reach_e[r + i],
                            fabsf(difference), sign, 0.0, 0.0, 0, 0};
            least[i] = difference > 0.0f ? INFINITY : top[r + i] - 2.0f * reach[r + i];
            least_e[i] = top_e[r + i] - 2.0f * reach_e[r + i];
        }
        for (int64_t p = 0; p < positions; p++) {
            const float *v = x + at + p * inner, *u = example + at + p * inner;
            int any = 0;
            for (int64_t i = 0; i < lanes; i++) {
                any |= (u[i] >= least_e[i]) | (v[i] >= least[i]);
                multiplier[at + p * inner + i] = 0.0f;
            }
            for (int64_t i = 0; any && i < lanes; i++) {
                if (u[i] >= least_e[i] || v[i] >= least[i]) {
                    add(&rows[i], u[i], v[i], p);
                }
            }
        }
        for (int64_t i = 0; i < lanes; i++) {
            for (int64_t p = rows[i].low; p < rows[i].high; p++) {
                const int64_t k = at + p * inner + i;
                multiplier[k] = multiplier_of(&rows[i], example[k], x[k]);
            }
        }
    }
}

/* Values of one block of a bigWig, which may hold anything: nothing beyond its bytes is read. */
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { HEADER = 24, BEDGRAPH = 1, VARIABLE = 2, FIXED = 3 };

/* Files have the byte order of the machines that the kernels are built for: little. */
static uint32_t number(const uint8_t *at)
{
    uint32_t found;
    memcpy(&found, at, sizeof found);
    return found;
}

/* Set out[b - start] to the value of each base b in [start, end) that has an entry in the block
 * of `size` bytes. out may be NULL. Returns the number of those entries whose value is no NaN, or
 * -1: the block is shorter than it says, of no known kind, or has entries that overlap or are not
 * in order. So no base is set twice. A block of another chromosome has none. */
int64_t bigwig_fill(const uint8_t *block, int64_t size, int64_t chrom, int64_t start, int64_t end,
                    float *out)
{
    if (size < HEADER) {
        return -1;
    }
    if (number(block) != chrom) {
        return 0;
    }
    const int64_t origin = number(block + 4), step = number(block + 12), span = number(block + 16);
    const int kind = block[20], n = block[22] | block[23] << 8;
    const int64_t width = kind == BEDGRAPH ? 12 : kind == VARIABLE ? 8 : 4;
    if (kind < BEDGRAPH || kind > FIXED || size - HEADER < n * width ||
        (kind == FIXED && n > 1 && step < span)) {
        return -1;
    }
    int64_t found = 0, before = 0;
    int64_t i = kind == FIXED && step > 0 && start > origin ? (start - origin) / step : 0;
    for (; i < n; i++) {
        const uint8_t *entry = block + HEADER + i * width;
        int64_t low = kind == FIXED ? origin + i * step : number(entry);
        int64_t high = kind == BEDGRAPH ? number(entry + 4) : low + span;
        if (low < before || high < low) {
            return -1;
        }
        before = high;
        low = low < start ? start : low;
        high = high > end ? end : high;
        if (low < high) {
            float value;
            memcpy(&value, entry + width - 4, sizeof value);
            found += !isnan(value);
            for (int64_t b = low - start; out && b < high - start; b++) {
                out[b] = value;
            }
        }
        if (before >= end) {
            break;
        }
    }
    return found;
}

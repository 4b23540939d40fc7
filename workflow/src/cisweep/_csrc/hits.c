/* What hits carry. How their matrices fit hypothetical attributions: sums run as NumPy's do
 * (pairwise, eight at a time), so that a hit has the same bits as in NumPy. Which of them keep
 * their place where they overlap. */
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK = 128 };

/* NumPy's sum of n contiguous numbers a[i] * b[i]. */
static double pairwise(const double *a, const double *b, int64_t n) {
    if (n < 8) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
        return sum;
    }
    if (n > BLOCK) {
        int64_t half = n / 2;
        half -= half % 8;
        return pairwise(a, b, half) + pairwise(a + half, b + half, n - half);
    }
    double r[8];
    int64_t i;
    for (int k = 0; k < 8; k++) r[k] = a[k] * b[k];
    for (i = 8; i < n - n % 8; i += 8)
        for (int k = 0; k < 8; k++) r[k] += a[i + k] * b[i + k];
    double sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    for (; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* Writes cosine and projection of n hits, NaN where there is none.
 *   start: where a hit begins in track (4, length), centred attributions; a hit that leaves it has
 *   no fit; matrix[m]: where the matrix of motif m, (4, width[m]), begins in `plus`, and on the -
 *   strand in `minus`; norm[m]: its length; scratch: four times as many numbers as the widest has
 *   columns. */
void hit_fits(int64_t n, const int64_t *start, const int32_t *motif, const uint8_t *is_minus,
              const double *track, int64_t length, const int64_t *matrix, const int64_t *width,
              const double *plus, const double *minus, const double *norm, double *scratch,
              double *cosine, double *projection) {
    for (int64_t i = 0; i < n; i++) {
        const int64_t m = motif[i], w = width[m];
        cosine[i] = projection[i] = NAN;
        if (start[i] < 0 || start[i] + w > length) continue;
        for (int b = 0; b < 4; b++)
            for (int64_t j = 0; j < w; j++) scratch[b * w + j] = track[b * length + start[i] + j];
        const double dot = pairwise(scratch, (is_minus[i] ? minus : plus) + matrix[m], 4 * w);
        const double size = sqrt(pairwise(scratch, scratch, 4 * w)) * norm[m];
        if (size > 0) cosine[i] = dot / size;
        if (norm[m] > 0) projection[i] = dot / norm[m];
    }
}

/* Sets keep[row] of the hits that meet no span taken before, in the order given, and takes theirs.
 * start, end: of all hits, counted from the first base of `taken`, whose bytes are 0 before. */
void hit_places(int64_t n, const int64_t *order, const int64_t *start, const int64_t *end,
                uint8_t *taken, uint8_t *keep) {
    for (int64_t i = 0; i < n; i++) {
        const int64_t row = order[i];
        const size_t width = (size_t)(end[row] - start[row]);
        if (memchr(taken + start[row], 1, width)) continue;
        memset(taken + start[row], 1, width);
        keep[row] = 1;
    }
}

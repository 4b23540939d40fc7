/* The body of winograd.c for one vector length; included once for each.
 *
 * Before it: VARIANT(name), the name with the variant's suffix; TARGET, the attribute that lets the
 * compiler use the instructions; FLOATS, numbers in a vector; WIDE, vectors of outputs in a block. */

typedef float VARIANT(vec) __attribute__((vector_size(4 * FLOATS)));
typedef float VARIANT(any) __attribute__((vector_size(4 * FLOATS), aligned(4)));
#define VEC VARIANT(vec)
#define AT(pointer) (*(VARIANT(any) *)(pointer))
#define READ(pointer) ((VEC)(*(const VARIANT(any) *)(pointer)))

/* out[t][j] = sum over k of v[k][t] u[k][j], for GROUP quads t and n vectors j. */
#define DEFINE_PRODUCT(n)                                                                          \
    TARGET static void VARIANT(product##n)(const float *v, const float *u, int n_blocks,           \
                                           float *out)                                             \
    {                                                                                              \
        VEC sum[GROUP][n];                                                                         \
        UNROLL for (int t = 0; t < GROUP; t++) UNROLL for (int j = 0; j < n; j++)                  \
            sum[t][j] = (VEC){0};                                                                  \
        for (int b = 0; b < n_blocks; b++, v += GROUP * BLOCK)                                     \
            for (int k = 0; k < BLOCK; k++, u += n * FLOATS) {                                     \
                VEC w[n];                                                                          \
                UNROLL for (int j = 0; j < n; j++) w[j] = READ(u + j * FLOATS);                    \
                UNROLL for (int t = 0; t < GROUP; t++) UNROLL for (int j = 0; j < n; j++)          \
                    sum[t][j] += v[t * BLOCK + k] * w[j];                                          \
            }                                                                                      \
        UNROLL for (int t = 0; t < GROUP; t++) UNROLL for (int j = 0; j < n; j++)                  \
            AT(out + (t * n + j) * FLOATS) = sum[t][j];                                            \
    }

DEFINE_PRODUCT(1)
DEFINE_PRODUCT(2)
#if WIDE > 2
DEFINE_PRODUCT(3)
DEFINE_PRODUCT(4)
#endif
#undef DEFINE_PRODUCT

TARGET static void VARIANT(product)(int n, const float *v, const float *u, int n_blocks, float *out)
{
    switch (n) {
    case 1: VARIANT(product1)(v, u, n_blocks, out); break;
    case 2: VARIANT(product2)(v, u, n_blocks, out); break;
#if WIDE > 2
    case 3: VARIANT(product3)(v, u, n_blocks, out); break;
    case 4: VARIANT(product4)(v, u, n_blocks, out); break;
#endif
    }
}

/* Writes the six combinations of six rows of BLOCK channels, `apart` floats from each other. */
TARGET static void VARIANT(combine)(const float *const *row, int channel, float *to, int64_t apart)
{
    for (int i = 0; i < BLOCK; i += FLOATS) {
        const int at = channel + i;
        const VEC a = READ(row[0] + at), b = READ(row[1] + at), c = READ(row[2] + at),
                  d = READ(row[3] + at), e = READ(row[4] + at), f = READ(row[5] + at);
        const VEC even = e - 4.0f * c, odd = d - 4.0f * b, near = e - c, far = 2.0f * (d - b);
        AT(to + i) = 4.0f * a - 5.0f * c + e;
        AT(to + i + apart) = even + odd;
        AT(to + i + 2 * apart) = even - odd;
        AT(to + i + 3 * apart) = near + far;
        AT(to + i + 4 * apart) = near - far;
        AT(to + i + 5 * apart) = 4.0f * b - 5.0f * d + f;
    }
}

/* The combinations of one quad for all blocks of channels and all threes of taps. */
TARGET static void VARIANT(read_quad)(const struct layer *layer, const float *x, int64_t first,
                                      float *to)
{
    const int n_channels = layer->n_in, n_blocks = blocks_of(layer);
    const int64_t apart = (int64_t)n_blocks * layer->n_threes * BLOCK * GROUP;
    float edge[6][BLOCK];
    const float *row[6], *const none[6] = {edge[0], edge[1], edge[2], edge[3], edge[4], edge[5]};
    for (int three = 0; three < layer->n_threes; three++) {
        for (int j = 0; j < 6; j++) {
            const int64_t p = first + (j + 3 * three) * layer->dilation - layer->pad;
            row[j] = p < 0 || p >= layer->length ? NULL : x + p * layer->row;
        }
        for (int b = 0; b < n_blocks; b++, to += BLOCK * GROUP) {
            const int inside = n_channels - b * BLOCK < BLOCK ? n_channels - b * BLOCK : BLOCK;
            int copied = inside < BLOCK;
            for (int j = 0; j < 6; j++) copied |= row[j] == NULL;
            if (!copied) {
                VARIANT(combine)(row, b * BLOCK, to, apart);
                continue;
            }
            memset(edge, 0, sizeof edge);
            for (int j = 0; j < 6; j++)
                if (row[j]) memcpy(edge[j], row[j] + b * BLOCK, sizeof(float) * (size_t)inside);
            VARIANT(combine)(none, 0, to, apart);
        }
    }
}

/* Writes the four outputs of each quad of a group, `n` vectors of channels from `channel` on. */
TARGET static void VARIANT(write_quads)(const struct layer *layer, const float *sums, int n,
                                        int channel, const int64_t *first, int n_quads, float *y)
{
    const int apart = GROUP * n * FLOATS;
    for (int t = 0; t < n_quads; t++)
        for (int j = 0; j < n; j++) {
            const int at = channel + j * FLOATS;
            const float *from = sums + (t * n + j) * FLOATS;
            const VEC bias = READ(layer->bias + at), m0 = READ(from), m1 = READ(from + apart),
                      m2 = READ(from + 2 * apart), m3 = READ(from + 3 * apart),
                      m4 = READ(from + 4 * apart), m5 = READ(from + 5 * apart);
            const VEC s = m1 + m2, d = m1 - m2, s2 = m3 + m4, d2 = m3 - m4;
            VEC out[4] = {m0 + s + s2 + bias, d + 2.0f * d2 + bias, s + 4.0f * s2 + bias,
                          d + 8.0f * d2 + m5 + bias};
            for (int k = 0; k < 4; k++) {
                const int64_t p = first[t] + k * layer->dilation;
                if (p >= layer->n_positions) break;
                float *to = y + p * layer->n_out + at;
                if (at + FLOATS <= layer->n_out) AT(to) = out[k];
                else memcpy(to, &out[k], sizeof(float) * (size_t)(layer->n_out - at));
            }
        }
}

TARGET static void VARIANT(convolve)(const struct layer *layer, const float *x, float *y,
                                     const int64_t *first, int n_quads, float *space)
{
    const int n_blocks = blocks_of(layer) * layer->n_threes;
    const int64_t apart = (int64_t)n_blocks * BLOCK * GROUP;
    float sums[6 * GROUP * WIDE * FLOATS];
    for (int t = 0; t < n_quads; t++)
        VARIANT(read_quad)(layer, x, first[t], space + t / GROUP * 6 * apart + t % GROUP * BLOCK);
    const float *weight = layer->weight;
    for (int channel = 0; channel < layer->n_out; channel += WIDE * FLOATS) {
        const int left = (layer->n_out - channel + FLOATS - 1) / FLOATS, n = left < WIDE ? left : WIDE;
        const int64_t size = (int64_t)n_blocks * BLOCK * n * FLOATS;
        for (int t = 0; t < n_quads; t += GROUP) {
            for (int i = 0; i < 6; i++)
                VARIANT(product)(n, space + t * 6 * apart / GROUP + i * apart, weight + i * size,
                                 n_blocks, sums + i * GROUP * n * FLOATS);
            const int here = n_quads - t < GROUP ? n_quads - t : GROUP;
            VARIANT(write_quads)(layer, sums, n, channel, first + t, here, y);
        }
        weight += 6 * size;
    }
}

#undef VEC
#undef AT
#undef READ
#undef VARIANT
#undef TARGET
#undef FLOATS
#undef WIDE

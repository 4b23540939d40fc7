/* Calls kernels for another process: of each call it reads from stdin the number of the function,
 * its memory and its arguments, and writes to stdout what the function returned and the memory.
 *
 * CALLABLE lists the functions as X(name) …; build it for AArch64, whose calling convention lets one
 * signature serve all: the first eight integers or pointers go to x0 … x7 and the others to the
 * stack, eight bytes each, and the first eight floats to v0 … v7, whatever their order. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if !defined(__aarch64__)
#error "the calling convention is that of AArch64"
#endif

#define X(name) extern void name(void);
CALLABLE
#undef X
#define X(name) name,
static void (*const functions[])(void) = {CALLABLE};
#undef X

enum { WHOLE = 20, FLOATS = 2, REGIONS = 20 };
typedef int64_t (*called)(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                          int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                          int64_t, int64_t, int64_t, int64_t, double, double);

static int get(void *to, size_t n) { return fread(to, 1, n, stdin) == n; }
static void put(const void *from, size_t n)
{
    if (fwrite(from, 1, n, stdout) != n) exit(2);
}

int main(void)
{
    int64_t head[2]; /* function, regions */
    while (get(head, sizeof head)) {
        int64_t size[REGIONS], argument[WHOLE][2], a[WHOLE];
        double f[FLOATS];
        char *memory[REGIONS];
        for (int64_t i = 0; i < head[1]; i++) {
            /* malloc aligns to 16, as it does for the caller; no byte more is the function's */
            if (!get(&size[i], 8) || !(memory[i] = malloc((size_t)size[i] + 1)) ||
                !get(memory[i], (size_t)size[i]))
                return 3;
        }
        if (!get(argument, sizeof argument) || !get(f, sizeof f)) return 4;
        for (int i = 0; i < WHOLE; i++) /* region (or -1 for a number) and offset in it */
            a[i] = argument[i][0] < 0 ? argument[i][1]
                                      : (int64_t)(intptr_t)(memory[argument[i][0]] + argument[i][1]);
        const int64_t given =
            ((called)functions[head[0]])(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9],
                                         a[10], a[11], a[12], a[13], a[14], a[15], a[16], a[17],
                                         a[18], a[19], f[0], f[1]);
        put(&given, 8);
        for (int64_t i = 0; i < head[1]; i++) {
            put(memory[i], (size_t)size[i]);
            free(memory[i]);
        }
        fflush(stdout);
    }
    return 0;
}

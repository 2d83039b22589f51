/* tests/fuzz/driver.c: a fuzz target as a plain test: its corpus, then a short walk of mutations of
 * it. TAP. Coverage-guided fuzzing is ./run fuzz.
 *
 *   fuzz-NAME CORPUS-DIRECTORY
 *   FUZZ_SEED=7         another walk; the same seed is the same walk
 *
 * An input that kills the target is written to NAME.crash in the working directory (under
 * AddressSanitizer, which is how this is meant to run); a crash becomes a file of the corpus. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FUZZ_ROUNDS    20000
#define FUZZ_WALK_S    2 /* the walk ends here even if it did not make its rounds */
#define FUZZ_MAX_SEEDS 512
#define FUZZ_MAX_BYTES 70000 /* a little more than the longest line of the protocol */

typedef struct {
    uint8_t *data; /* owned */
    size_t   len;
} Seed;

static Seed        seeds[FUZZ_MAX_SEEDS];
static size_t      n_seeds;
static uint8_t     input[FUZZ_MAX_BYTES];
static size_t      input_len;
static uint64_t    walk; /* state of the generator */
static const char *name;

/* Only there in a build with AddressSanitizer. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

static void save_input(void)
{
    char path[256];
    int  fd;

    snprintf(path, sizeof(path), "%s.crash", name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, input, input_len) != (ssize_t)input_len)
        perror(path);
    else
        printf("# the input is in %s\n", path);
}

/* xorshift64*: any generator will do, but it has to be the same everywhere. */
static uint64_t draw(uint64_t below)
{
    walk ^= walk >> 12;
    walk ^= walk << 25;
    walk ^= walk >> 27;
    return (walk * UINT64_C(2685821657736338717) >> 16) % below;
}

/* Runs the target on a copy of exactly this length, so that reading one byte too far is seen. */
static void run_input(void)
{
    uint8_t *copy = malloc(input_len > 0 ? input_len : 1);

    if (copy == NULL)
        abort();
    memcpy(copy, input, input_len);
    if (LLVMFuzzerTestOneInput(copy, input_len) != 0)
        abort();
    free(copy);
}

static bool load_seed(const char *dir, const char *file)
{
    char        path[1024];
    struct stat st;
    Seed       *seed = &seeds[n_seeds];
    FILE       *in;

    snprintf(path, sizeof(path), "%s/%s", dir, file);
    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > FUZZ_MAX_BYTES)
        return false;
    in = fopen(path, "rb");
    if (in == NULL)
        return false;
    seed->data = malloc((size_t)st.st_size + 1);
    if (seed->data == NULL)
        abort();
    seed->len = fread(seed->data, 1, (size_t)st.st_size, in);
    fclose(in);
    n_seeds++;
    return true;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void load_corpus(const char *dir)
{
    struct dirent **files = NULL;
    int             count = scandir(dir, &files, NULL, by_name);

    for (int i = 0; i < count; i++) {
        if (n_seeds < FUZZ_MAX_SEEDS)
            load_seed(dir, files[i]->d_name);
        free(files[i]);
    }
    free(files);
}

/* Puts @len bytes at @at, moving the rest; cut at the buffer's end. */
static void insert(size_t at, const uint8_t *bytes, size_t len)
{
    if (len > FUZZ_MAX_BYTES - input_len)
        len = FUZZ_MAX_BYTES - input_len;
    memmove(input + at + len, input + at, input_len - at);
    memmove(input + at, bytes, len);
    input_len += len;
}

static void erase(size_t at, size_t len)
{
    if (len > input_len - at)
        len = input_len - at;
    memmove(input + at, input + at + len, input_len - at - len);
    input_len -= len;
}

/* What decoders trip over: limits of integers, ends of strings, nesting. */
static const char *const words[] = {
    "0",    "-1", "4294967296", "9007199254740993", "18446744073709551616", "1e999",
    "null", "[[", "{\"",        "\\u0000",          "\xff\xff\xff\xff",     "\r\n\r\n",
    "%00",  "::",
};

static void mutate(void)
{
    size_t at = draw(input_len + 1);

    switch (draw(8)) {
    case 0:
        if (at < input_len)
            input[at] ^= (uint8_t)(1u << draw(8));
        break;
    case 1:
        if (at < input_len)
            input[at] = (uint8_t)draw(256);
        break;
    case 2:
        erase(at, draw(16) + 1);
        break;
    case 3:
        input_len = at;
        break;
    case 4: { /* a part of itself, once more */
        size_t  from = draw(input_len + 1), len = draw(64);
        uint8_t part[64];

        if (len > input_len - from)
            len = input_len - from;
        memcpy(part, input + from, len);
        insert(at, part, len);
        break;
    }
    case 5: {
        const char *word = words[draw(sizeof(words) / sizeof(words[0]))];

        insert(at, (const uint8_t *)word, strlen(word));
        break;
    }
    case 6: { /* the end of another seed */
        const Seed *other = &seeds[draw(n_seeds)];
        size_t      from = draw(other->len + 1);

        input_len = at;
        insert(at, other->data + from, other->len - from);
        break;
    }
    default: {
        uint8_t byte = (uint8_t)draw(256);

        insert(at, &byte, 1);
    }
    }
}

static uint64_t take_walk(void)
{
    struct timespec began, now;
    uint64_t        rounds = 0;

    clock_gettime(CLOCK_MONOTONIC, &began);
    for (; rounds < FUZZ_ROUNDS; rounds++) {
        const Seed *seed = &seeds[draw(n_seeds)];

        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec - began.tv_sec >= FUZZ_WALK_S)
            break;
        memcpy(input, seed->data, seed->len);
        input_len = seed->len;
        for (uint64_t steps = draw(6) + 1; steps > 0; steps--)
            mutate();
        run_input();
    }
    return rounds;
}

int main(int argc, char **argv)
{
    const char *seed_text = getenv("FUZZ_SEED");

    name = strrchr(argv[0], '/') != NULL ? strrchr(argv[0], '/') + 1 : argv[0];
    setvbuf(stdout, NULL, _IONBF, 0);
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", name);
        return 2;
    }
    walk = seed_text != NULL ? strtoull(seed_text, NULL, 10) * 2 + 1 : 1;
    walk *= UINT64_C(0x9e3779b97f4a7c15);
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(save_input);
    load_corpus(argv[1]);
    if (n_seeds == 0) {
        printf("1..1\nnot ok 1 - no corpus in %s\n", argv[1]);
        return 1;
    }
    printf("1..2\n");
    for (size_t i = 0; i < n_seeds; i++) {
        memcpy(input, seeds[i].data, seeds[i].len);
        input_len = seeds[i].len;
        run_input();
    }
    printf("ok 1 - corpus of %zu\n", n_seeds);
    printf("ok 2 - %llu mutations\n", (unsigned long long)take_walk());
    for (size_t i = 0; i < n_seeds; i++)
        free(seeds[i].data);
    return 0;
}

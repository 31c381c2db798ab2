/* What the driver reads in PTX: its version, its target, and the entry functions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mock.h"

/* The newest PTX that a driver accepts: 7.4 for CUDA 11.4, 8.4 for CUDA 12.4; 12.6 has that of 12.5, and from then on each
 * version of CUDA has the next one. */
static int newest_ptx(void)
{
    int major = driver_version / 1000, minor = driver_version % 1000 / 10;
    if (major < 11)
        return 65;
    return 10 * (major - 4) + (major == 12 && minor > 5 ? minor - 1 : minor);
}

/* Checks version and target against the driver and an architecture; writes the compiler's message. */
int check_header(const char *text, int architecture, char *message, size_t capacity)
{
    static const char form[] = "ptxas application ptx input, line 1; fatal : %s\n";
    const char *version = strstr(text, ".version "), *target = strstr(text, ".target sm_");
    int major = 0, minor = 0, wanted = 0;
    char suffix = 0, words[80];
    if (strstr(text, ".entry") == NULL) {
        snprintf(message, capacity, form, "no entry function");
        return INVALID_PTX;
    }
    if (version == NULL || sscanf(version, ".version %d.%d", &major, &minor) != 2 || target == NULL
        || sscanf(target, ".target sm_%d%c", &wanted, &suffix) < 1) {
        snprintf(message, capacity, form, "Missing .version or .target directive");
        return INVALID_PTX;
    }
    if (10 * major + minor > newest_ptx()) {
        snprintf(words, sizeof words, "Unsupported .version %d.%d; current version is '%d.%d'", major, minor,
            newest_ptx() / 10, newest_ptx() % 10);
        snprintf(message, capacity, form, words);
        return UNSUPPORTED_PTX_VERSION;
    }
    /* The driver looks for a program for the device, and does not compile the text if it is for newer ones. */
    message[0] = 0;
    return wanted > architecture || (suffix == 'a' && wanted != architecture) ? NO_BINARY_FOR_GPU : SUCCESS;
}

/* The number after a word between two places, or a default. */
static long number_after(const char *start, const char *end, const char *word, long otherwise)
{
    const char *found = strstr(start, word);
    return found == NULL || found >= end ? otherwise : strtol(found + strlen(word), NULL, 10);
}

/* The size of a declaration: of an array in bytes, or of a type such as .u64. */
static long size_of(const char *start, const char *end)
{
    long size = 1;
    for (const char *at = start; at < end; at++)
        if (*at == '.' && strchr("bsuf", at[1]) != NULL && at[2] >= '1' && at[2] <= '9')
            size = strtol(at + 2, NULL, 10) / 8;
    return size * number_after(start, end, "[", 1);
}

/* Reads the declaration of an entry function; returns 0 if there is none of this name. */
int read_entry(const char *text, const char *name, entry_t *entry)
{
    char declaration[300];
    snprintf(declaration, sizeof declaration, ".entry %s(", name);
    const char *start = strstr(text, declaration);
    if (start == NULL)
        return 0;
    const char *end = strchr(start, ')'), *body = strchr(start, '{');
    memset(entry, 0, sizeof *entry);
    for (const char *at = strstr(start, ".param"); at != NULL && at < end; at = strstr(at + 1, ".param")) {
        const char *next = at + strcspn(at, ",)");
        long size = size_of(at, next), align = number_after(at, next, ".align ", size);
        entry->parameter_bytes = (entry->parameter_bytes + align - 1) / align * align + size;
    }
    entry->max_threads = 1024;
    const char *bound = strstr(end, ".maxntid ");
    if (bound != NULL && bound < body) {
        int x = 1, y = 1, z = 1;
        sscanf(bound, ".maxntid %d , %d , %d", &x, &y, &z);
        entry->max_threads = x * y * z;
    }
    return 1;
}

/* The shared memory that a text declares. Its kernels are compiled one per text. */
int declared_shared(const char *text)
{
    long total = 0;
    for (const char *at = strstr(text, ".shared ."); at != NULL; at = strstr(at + 1, ".shared .")) {
        const char *next = at + strcspn(at, ";");
        long size = size_of(at, next), align = number_after(at, next, ".align ", 1);
        /* Declarations of dynamic memory have no size. */
        if (number_after(at, next, "[", 1) > 0)
            total = (total + align - 1) / align * align + size;
    }
    return (int)total;
}

/* The objects of the driver, its log, and the checks at the start of every call. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mock.h"

pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
item_t items[MAX_ITEMS];
int item_count;
fault_t faults[MAX_FAULTS];
int fault_count, sticky;
char *log_text;
size_t log_size;
int violation_count;
char last_violation[512];
__thread uint64_t stack[MAX_STACK];
__thread int depth;
__thread char self;
unsigned generations = 1;
static size_t log_capacity;
static __thread unsigned generation;

void note(const char *format, ...)
{
    char line[16384];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (size > (int)sizeof line - 2)
        size = sizeof line - 2;
    line[size++] = '\n';
    if (log_size + size + 1 > log_capacity) {
        log_capacity = 2 * (log_capacity + size);
        log_text = realloc(log_text, log_capacity);
    }
    memcpy(log_text + log_size, line, size);
    log_size += size;
    log_text[log_size] = 0;
}

int violation(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(last_violation, sizeof last_violation, format, arguments);
    va_end(arguments);
    violation_count++;
    note("VIOLATION %s", last_violation);
    return code;
}

uint64_t current(void)
{
    if (generation != generations) {
        generation = generations;
        depth = 0;
    }
    return depth > 0 ? stack[depth - 1] : 0;
}

/* Invalidates the captures of this thread. */
static void spoil_own(void)
{
    for (int index = 0; index < item_count; index++)
        if (items[index].is_live && items[index].capturer == &self)
            items[index].is_invalid = 1;
}

/* Whether a capture forbids this thread to allocate, free or wait: one of its own that is not relaxed, or a global one
 * of any thread. The forbidden call invalidates the capture. */
static int is_forbidden(void)
{
    int count = 0;
    for (int index = 0; index < item_count; index++) {
        item_t *item = &items[index];
        if (!item->is_live || item->capturer == NULL
            || (item->mode != CAPTURE_GLOBAL && (item->mode == CAPTURE_RELAXED || item->capturer != &self)))
            continue;
        item->is_invalid = 1;
        count++;
    }
    return count > 0;
}

/* Whether a stream of the current context captures. With only_blocking, streams that do not wait for the NULL stream
 * do not count. */
int context_captures(int only_blocking, int is_spoiled)
{
    int count = 0;
    for (int index = 0; index < item_count; index++) {
        item_t *item = &items[index];
        if (!item->is_live || item->capturer == NULL || item->context != current()
            || (only_blocking && (item->flags & NON_BLOCKING) != 0))
            continue;
        item->is_invalid |= is_spoiled;
        count++;
    }
    return count > 0;
}

/* Starts a call: the code that it must return without doing anything, or 0. */
int enter(const char *call)
{
    for (int index = 0; index < fault_count; index++) {
        fault_t *fault = &faults[index];
        if (strcmp(fault->call, call) == 0 && fault->after > 0 && --fault->after == 0) {
            if (fault->is_sticky)
                sticky = fault->code;
            note("%s fails with %d", call, fault->code);
            spoil_own();
            return fault->code;
        }
    }
    return sticky;
}

int enter_context(const char *call)
{
    if (current() == 0)
        return violation(INVALID_CONTEXT, "%s without a current context", call);
    return enter(call);
}

/* Starts a call that allocates, frees or waits. */
int enter_uncaptured(const char *call)
{
    if (is_forbidden()) {
        note("%s within a capture", call);
        return CAPTURE_UNSUPPORTED;
    }
    return enter_context(call);
}

item_t *add(kind_t kind, uint64_t handle)
{
    if (item_count == MAX_ITEMS) {
        fprintf(stderr, "mock_libcuda: more than %d objects\n", MAX_ITEMS);
        abort();
    }
    item_t *item = &items[item_count++];
    memset(item, 0, sizeof *item);
    item->kind = kind;
    item->is_live = 1;
    item->context = current();
    item->handle = handle != 0 ? handle : 0x1000 * (uint64_t)kind + 0x100000 * (uint64_t)item_count;
    return item;
}

/* The live object of the current context with a handle, or NULL. */
item_t *find(kind_t kind, uint64_t handle)
{
    for (int index = item_count - 1; index >= 0; index--) {
        item_t *item = &items[index];
        if (item->is_live && item->kind == kind && item->handle == handle
            && (kind == CONTEXT || item->context == current()))
            return item;
    }
    return NULL;
}

item_t *find_range(kind_t kind, uint64_t address, size_t size)
{
    for (int index = item_count - 1; index >= 0; index--) {
        item_t *item = &items[index];
        if (item->is_live && item->kind == kind && item->context == current() && address >= item->handle
            && address - item->handle <= item->size && size <= item->size - (address - item->handle))
            return item;
    }
    return NULL;
}

item_t *find_stream(const char *call, uint64_t handle)
{
    item_t *stream = handle == 0 ? NULL : find(STREAM, handle);
    if (stream == NULL)
        violation(0, handle == 0 ? "%s on the NULL stream" : "%s on an unknown stream", call);
    return stream;
}

/* A stream of any user of the device. It may be the NULL stream. */
item_t *find_any_stream(uint64_t handle)
{
    item_t *stream = find(STREAM, handle);
    if (stream == NULL && handle == 0) {
        stream = add(STREAM, 0);
        stream->handle = 0;
    }
    return stream;
}

void end(item_t *item)
{
    item->is_live = 0;
    if (item->kind == MEMORY) {
        if (backing.release != NULL)
            backing.release(item->handle);
        else
            free((void *)item->handle);
        for (int index = 0; index < device_count; index++)
            if (devices[index].used >= item->size && index == (int)item->recorded)
                devices[index].used -= item->size;
    }
    if (item->kind == PINNED)
        free((void *)item->handle);
    free(item->text);
    free(item->image);
    item->text = NULL;
    item->image = NULL;
    drop_all(&item->works);
    drop_all(&item->captured);
}

/* Whether a test must not leave the object behind. The NULL stream belongs to its context and does not count. */
int counts(const item_t *item)
{
    return item->is_live && (item->kind != STREAM || item->handle != 0);
}

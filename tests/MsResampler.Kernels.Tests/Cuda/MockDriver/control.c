/* The interface for the tests: settings, faults, counts and the log. */
#include <stdio.h>
#include <string.h>

#include "mock.h"

void mock_reset(void)
{
    pthread_mutex_lock(&lock);
    for (int index = 0; index < item_count; index++)
        if (items[index].is_live)
            end(&items[index]);
    item_count = function_count = fault_count = sticky = violation_count = serves_ilgpu = 0;
    jit_count = jit_milliseconds = has_no_jit = module_load_count = 0;
    log_size = 0;
    note("reset");
    log_size = 0;
    log_text[0] = 0;
    last_violation[0] = 0;
    generations++;
    memset(&backing, 0, sizeof backing);
    device_count = 1;
    driver_version = 12040;
    memset(devices, 0, sizeof devices);
    devices[0] = (device_t){ "Mock GPU", 80, 108, 0, 1ull << 34, 0 };
    for (int index = 0; index < MAX_DEVICES; index++)
        devices[index].uuid[15] = (unsigned char)(index + 1);
    pthread_mutex_unlock(&lock);
}

void mock_set_driver(int version, int count)
{
    driver_version = version;
    device_count = count;
}

void mock_set_device(int index, const char *name, int architecture, int multiprocessors, int compute_mode,
    uint64_t total)
{
    device_t *device = &devices[index];
    snprintf(device->name, sizeof device->name, "%s", name);
    device->architecture = architecture;
    device->multiprocessors = multiprocessors;
    device->compute_mode = compute_mode;
    device->total = total;
    device->used = 0;
}

/* Sets the shared memory that a block can have; 0 for that of the architecture. */
void mock_set_shared(int index, int bytes)
{
    devices[index].shared = bytes;
}

void mock_set_uuid(int index, const unsigned char *uuid)
{
    memcpy(devices[index].uuid, uuid, sizeof devices[index].uuid);
}

/* Sets the time that the JIT compiler takes, and whether the driver has it. */
void mock_set_jit(int milliseconds, int is_missing)
{
    jit_milliseconds = milliseconds;
    has_no_jit = is_missing;
}

void mock_set_assembler(assembler_t callback)
{
    assembler = callback;
}

/* The number of PTX texts that the driver compiled, and of modules that it loaded, since the reset. */
int mock_jits(void)
{
    return jit_count;
}

int mock_module_loads(void)
{
    return module_load_count;
}

/* Makes the n-th call from now on fail. A sticky failure is returned by every later call that uses a context. */
void mock_fail(const char *call, int nth, int code, int is_sticky)
{
    pthread_mutex_lock(&lock);
    if (fault_count < MAX_FAULTS) {
        fault_t *fault = &faults[fault_count++];
        snprintf(fault->call, sizeof fault->call, "%s", call);
        fault->after = nth;
        fault->code = code;
        fault->is_sticky = is_sticky;
    }
    pthread_mutex_unlock(&lock);
}

void mock_attach(const backing_t *callbacks)
{
    backing = *callbacks;
}

/* Permits the calls that ILGPU makes when it creates an accelerator of its own. */
void mock_serve_ilgpu(void)
{
    serves_ilgpu = 1;
}

/* The number of live objects of a kind (see kind_t), or of all kinds for 0. */
int mock_live(int kind)
{
    pthread_mutex_lock(&lock);
    int count = 0;
    for (int index = 0; index < item_count; index++)
        count += counts(&items[index]) && (kind == 0 || (int)items[index].kind == kind);
    pthread_mutex_unlock(&lock);
    return count;
}

int mock_violations(void)
{
    return violation_count;
}

const char *mock_last_violation(void)
{
    return last_violation;
}

/* Copies the log, one call per line, into a buffer if it is large enough; returns the size needed in bytes. */
size_t mock_log(char *buffer, size_t capacity)
{
    pthread_mutex_lock(&lock);
    size_t size = log_size + 1;
    if (capacity >= size)
        memcpy(buffer, log_text, size);
    pthread_mutex_unlock(&lock);
    return size;
}

/* The current context of this thread. */
uint64_t mock_current_context(void)
{
    return current();
}

__attribute__((constructor)) static void start(void)
{
    mock_reset();
}

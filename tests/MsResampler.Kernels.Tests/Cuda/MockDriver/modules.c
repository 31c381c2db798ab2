/* Modules, their functions, and launches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mock.h"

enum { MAX_DYNAMIC_SHARED = 8, PREFERRED_CARVEOUT = 9, DEFAULT_SHARED = 48 << 10, REGISTERS = 65536 };

typedef struct {
    uint64_t handle, module;
    char name[256];
    entry_t entry;
    resources_t resources;
    int permitted, carveout;    /* bytes of dynamic shared memory; percent, or -1 */
} function_t;

static function_t functions[4096];
int function_count, module_load_count;

/* Loads PTX, which ends with 0, or machine code, which knows its size. */
int cuModuleLoadDataEx(uint64_t *module, const char *data, unsigned option_count, const int *options, void **values)
{
    BEGIN("cuModuleLoadDataEx", enter_uncaptured) {
        int index, architecture = current_device(&index)->architecture;
        int is_image = data[0] == 0x7f || strncmp(data, magic, sizeof magic) == 0;
        const char *text = data;
        resources_t resources;
        code = is_image ? read_image(data, architecture, &text, &resources)
            : compile(data, architecture, &(jit_options_t){ option_count, options, values }, &resources);
        if (code != SUCCESS)
            break;
        item_t *item = add(MODULE, 0);
        item->text = strdup(text);
        item->resources = resources;
        *module = item->handle;
        module_load_count++;
        note("cuModuleLoadDataEx size=%zu%s", strlen(text), is_image ? " image" : "");
    } END;
}

int cuModuleLoadData(uint64_t *module, const char *data)
{
    return cuModuleLoadDataEx(module, data, 0, NULL, NULL);
}

int cuModuleUnload(uint64_t module)
{
    BEGIN("cuModuleUnload", enter_uncaptured) {
        item_t *item = find(MODULE, module);
        if (item == NULL) {
            code = violation(INVALID_HANDLE, "cuModuleUnload of an unknown module");
            break;
        }
        end(item);
        note("cuModuleUnload");
    } END;
}

int cuModuleGetFunction(uint64_t *function, uint64_t module, const char *name)
{
    BEGIN("cuModuleGetFunction", enter_context) {
        item_t *item = find(MODULE, module);
        entry_t entry;
        if (item == NULL || !read_entry(item->text, name, &entry) || function_count == 4096) {
            code = NOT_FOUND;
            break;
        }
        function_t *added = &functions[function_count++];
        int unreserved = DEFAULT_SHARED - item->resources.shared;
        *added = (function_t){ 0x7000000 + 16 * (uint64_t)function_count, module, "", entry, item->resources,
            unreserved > 0 ? unreserved : 0, -1 };
        snprintf(added->name, sizeof added->name, "%s", name);
        *function = added->handle;
        note("cuModuleGetFunction name=%s", name);
    } END;
}

static function_t *find_function(uint64_t function)
{
    for (int index = 0; index < function_count; index++)
        if (functions[index].handle == function && find(MODULE, functions[index].module) != NULL)
            return &functions[index];
    return NULL;
}

int cuFuncSetAttribute(uint64_t function, int attribute, int value)
{
    BEGIN("cuFuncSetAttribute", enter_context) {
        function_t *found = find_function(function);
        int index, limit = optin_shared(current_device(&index));
        if (found == NULL || (attribute == MAX_DYNAMIC_SHARED
                ? value < 0 || value > limit - found->resources.shared
                : attribute != PREFERRED_CARVEOUT || value < -1 || value > 100)) {
            code = INVALID_VALUE;
            break;
        }
        if (attribute == MAX_DYNAMIC_SHARED)
            found->permitted = value;
        else
            found->carveout = value;
        note("cuFuncSetAttribute name=%s attribute=%d value=%d", found->name, attribute, value);
    } END;
}

/* The registers of a block: they are allocated to warps in units of 256. */
static int registers_of(const function_t *function, int threads)
{
    return (threads + 31) / 32 * ((function->resources.registers + 7) / 8 * 8 * 32);
}

/* The most threads of a block: by the text and, if they are known, by the registers. */
static int max_threads(const function_t *function)
{
    int threads = function->entry.max_threads;
    while (threads > 32 && registers_of(function, threads) > REGISTERS)
        threads -= 32;
    return threads;
}

int cuFuncGetAttribute(int *value, int attribute, uint64_t function)
{
    BEGIN("cuFuncGetAttribute", enter_context) {
        function_t *found = find_function(function);
        int index, architecture = current_device(&index)->architecture;
        if (found == NULL) {
            code = INVALID_HANDLE;
            break;
        }
        switch (attribute) {
        case 0: *value = max_threads(found); break;
        case 1: *value = found->resources.shared; break;
        case 2: *value = 0; break;
        case 3: *value = found->resources.local; break;
        case 4: *value = found->resources.registers; break;
        case 5: case 6: *value = architecture; break;
        case MAX_DYNAMIC_SHARED: *value = found->permitted; break;
        case PREFERRED_CARVEOUT: *value = found->carveout; break;
        default: code = violation(INVALID_VALUE, "an attribute of functions that the mock does not have: %d", attribute);
        }
    } END;
}

static int least(int first, int second)
{
    return first < second ? first : second;
}

/* The limits of a multiprocessor are from the table of compute capabilities in the CUDA programming guide. */
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *count, uint64_t function, int block_size, size_t shared)
{
    BEGIN("cuOccupancyMaxActiveBlocksPerMultiprocessor", enter_context) {
        function_t *found = find_function(function);
        if (found == NULL || block_size < 1) {
            code = INVALID_VALUE;
            break;
        }
        int index;
        const device_t *device = current_device(&index);
        int architecture = device->architecture;
        int is_small = architecture == 86 || architecture == 89 || architecture == 120;
        int threads = architecture == 75 ? 1024 : is_small ? 1536 : 2048;
        int blocks = architecture == 75 || architecture == 86 ? 16 : is_small ? 24 : 32;
        /* From sm_80 on the system takes 1 KiB of each block; before, a block can have all but at most half. */
        int reserved = architecture >= 80 ? 1024 : 0;
        int total = architecture >= 80 ? optin_shared(device) + reserved
            : architecture == 70 || architecture == 61 ? 96 << 10 : 64 << 10;
        int used = found->resources.shared + (int)shared + reserved, registers = registers_of(found, block_size);
        *count = block_size > max_threads(found) ? 0 : least(blocks, threads / ((block_size + 31) / 32 * 32));
        *count = used > 0 ? least(*count, total / used) : *count;
        *count = registers > 0 ? least(*count, REGISTERS / registers) : *count;
    } END;
}

/* Why a launch is refused, or NULL. */
static const char *refusal(const function_t *function, const unsigned *grid, const unsigned *block, int shared,
    void **parameters, void **extra)
{
    unsigned long threads = (unsigned long)block[0] * block[1] * block[2];
    if (grid[0] == 0 || grid[0] > 0x7fffffff || grid[1] == 0 || grid[1] > 65535 || grid[2] == 0 || grid[2] > 65535)
        return "the size of the grid";
    if (threads == 0 || threads > (unsigned long)function->entry.max_threads || block[2] > 64)
        return "the size of the block";
    if (shared > function->permitted)
        return "dynamic shared memory that was not permitted";
    if (parameters != NULL || extra == NULL || (size_t)extra[0] != 1 || (size_t)extra[2] != 2 || extra[4] != NULL)
        return "the form of the arguments";
    if (*(size_t *)extra[3] != (size_t)function->entry.parameter_bytes)
        return "the size of the arguments";
    return NULL;
}

/* Gives a launch to a stream, with the lock held. */
static int launch(const char *call, uint64_t function, const unsigned *grid, const unsigned *block, unsigned shared,
    uint64_t stream, void **parameters, void **extra, int is_dependent)
{
    function_t *found = find_function(function);
    item_t *target = find_stream(call, stream);
    if (found == NULL || target == NULL)
        return INVALID_HANDLE;
    const char *reason = refusal(found, grid, block, (int)shared, parameters, extra);
    if (reason != NULL) {
        note("%s refuses %s", call, reason);
        return INVALID_VALUE;
    }
    if (registers_of(found, (int)(block[0] * block[1] * block[2])) > REGISTERS)
        return OUT_OF_RESOURCES;
    const char *text = find(MODULE, found->module)->text;
    const work_t *last = target->captured.last;
    if (is_dependent && strstr(text, "griddepcontrol.wait;") == NULL)
        return violation(INVALID_VALUE, "a dependent launch of %s, which does not wait", found->name);
    if (is_dependent && (target->capturer == NULL || last == NULL || last->kind != LAUNCH))
        return violation(INVALID_VALUE, "a dependent launch of %s, not after another launch in a capture", found->name);
    work_t *work = new_work(LAUNCH);
    work->size = *(size_t *)extra[3];
    work->arguments = malloc(work->size + 1);
    memcpy(work->arguments, extra[1], work->size);
    snprintf(work->entry, sizeof work->entry, "%s", found->name);
    work->module_handle = found->module;
    work->module = strdup(text);
    for (int axis = 0; axis < 3; axis++)
        work->grid[axis] = (int)grid[axis], work->block[axis] = (int)block[axis];
    work->shared = (int)shared;
    work->is_dependent = is_dependent;
    int code = give(target, work);
    char bytes[8193];
    size_t shown = work->size < 4096 ? work->size : 4096;
    for (size_t index = 0; index < shown; index++)
        snprintf(bytes + 2 * index, 3, "%02X", work->arguments[index]);
    bytes[2 * shown] = 0;
    note("%s name=%s grid=%ux%ux%u block=%ux%ux%u shared=%u stream=%llx arguments=%s", call, found->name, grid[0],
        grid[1], grid[2], block[0], block[1], block[2], shared, (unsigned long long)stream, bytes);
    return code;
}

int cuLaunchKernel(uint64_t function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
    unsigned block_y, unsigned block_z, unsigned shared, uint64_t stream, void **parameters, void **extra)
{
    BEGIN("cuLaunchKernel", enter_context) {
        unsigned grid[] = { grid_x, grid_y, grid_z }, block[] = { block_x, block_y, block_z };
        code = launch("cuLaunchKernel", function, grid, block, shared, stream, parameters, extra, 0);
    } END;
}

/* CUlaunchAttribute and CUlaunchConfig of cuda.h. The largest value of an attribute has 64 bytes. */
enum { STREAM_SERIALIZATION = 6 };
typedef struct {
    int id;
    char pad[4];
    union { char bytes[64]; int integer; } value;
} attribute_t;
typedef struct {
    unsigned grid[3], block[3], shared;
    uint64_t stream;
    const attribute_t *attributes;
    unsigned attribute_count;
} config_t;

int cuLaunchKernelEx(const config_t *config, uint64_t function, void **parameters, void **extra)
{
    BEGIN("cuLaunchKernelEx", enter_context) {
        int index;
        if (current_device(&index)->architecture < 90) {
            code = violation(NOT_SUPPORTED, "a dependent launch on a device before sm_90");
            break;
        }
        if (config->attribute_count != 1 || config->attributes[0].id != STREAM_SERIALIZATION
            || config->attributes[0].value.integer != 1) {
            code = violation(INVALID_VALUE, "cuLaunchKernelEx with other attributes than a dependent launch");
            break;
        }
        code = launch("cuLaunchKernelEx", function, config->grid, config->block, config->shared, config->stream,
            parameters, extra, 1);
    } END;
}

/* Modules, their functions, and launches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mock.h"

enum { MAX_DYNAMIC_SHARED = 8, PREFERRED_CARVEOUT = 9 };

typedef struct { uint64_t handle; char entry[256]; uint64_t module; int permitted, carveout; } function_t;

static function_t functions[4096];
int function_count, module_load_count;

/* Loads PTX, which ends with 0, or machine code, which knows its size. */
int cuModuleLoadDataEx(uint64_t *module, const char *data, unsigned option_count, const int *options, void **values)
{
    BEGIN("cuModuleLoadDataEx", enter_uncaptured) {
        int index, architecture = current_device(&index)->architecture;
        int is_image = data[0] == 0x7f || strncmp(data, magic, sizeof magic) == 0;
        const char *text = data;
        code = is_image ? read_image(data, architecture, &text)
            : compile(data, architecture, &(jit_options_t){ option_count, options, values });
        if (code != SUCCESS)
            break;
        item_t *item = add(MODULE, 0);
        item->text = strdup(text);
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
        char declaration[300];
        snprintf(declaration, sizeof declaration, ".entry %s(", name);
        if (item == NULL || strstr(item->text, declaration) == NULL || function_count == 4096) {
            code = NOT_FOUND;
            break;
        }
        function_t *added = &functions[function_count++];
        added->handle = 0x7000000 + 16 * (uint64_t)function_count;
        added->module = module;
        added->permitted = 0;
        added->carveout = -1;
        snprintf(added->entry, sizeof added->entry, "%s", name);
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
        int index;
        if (found == NULL || (attribute == MAX_DYNAMIC_SHARED
                ? value < 0 || value > (current_device(&index)->architecture >= 80 ? 166912 : 49152)
                : attribute != PREFERRED_CARVEOUT || value < -1 || value > 100)) {
            code = INVALID_VALUE;
            break;
        }
        if (attribute == MAX_DYNAMIC_SHARED)
            found->permitted = value;
        else
            found->carveout = value;
        note("cuFuncSetAttribute name=%s attribute=%d value=%d", found->entry, attribute, value);
    } END;
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
        case 0: *value = 1024; break;
        case 1: case 2: case 3: case 4: *value = 0; break;
        case 5: case 6: *value = architecture; break;
        case MAX_DYNAMIC_SHARED: *value = found->permitted; break;
        case PREFERRED_CARVEOUT: *value = found->carveout; break;
        default: code = violation(INVALID_VALUE, "an attribute of functions that the mock does not have: %d", attribute);
        }
    } END;
}

int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *count, uint64_t function, int block_size, size_t shared)
{
    BEGIN("cuOccupancyMaxActiveBlocksPerMultiprocessor", enter_context) {
        if (find_function(function) == NULL || block_size < 1) {
            code = INVALID_VALUE;
            break;
        }
        *count = 2048 / block_size < 32 ? 2048 / block_size : 32;
        if (shared > 0 && (int)(167936 / (shared + 1024)) < *count)
            *count = (int)(167936 / (shared + 1024));
    } END;
}

int cuLaunchKernel(uint64_t function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
    unsigned block_y, unsigned block_z, unsigned shared, uint64_t stream, void **parameters, void **extra)
{
    BEGIN("cuLaunchKernel", enter_context) {
        function_t *found = find_function(function);
        item_t *target = find_stream("cuLaunchKernel", stream);
        if (found == NULL || target == NULL) {
            code = INVALID_HANDLE;
            break;
        }
        if (grid_x == 0 || grid_y == 0 || grid_y > 65535 || grid_z == 0 || block_x == 0 || block_x > 1024
            || (int)shared > found->permitted || parameters != NULL || extra == NULL
            || (size_t)extra[0] != 1 || (size_t)extra[2] != 2 || extra[4] != NULL) {
            code = INVALID_VALUE;
            break;
        }
        work_t *work = new_work(LAUNCH);
        work->size = *(size_t *)extra[3];
        work->arguments = malloc(work->size + 1);
        memcpy(work->arguments, extra[1], work->size);
        snprintf(work->entry, sizeof work->entry, "%s", found->entry);
        work->module_handle = found->module;
        work->module = strdup(find(MODULE, found->module)->text);
        work->grid[0] = grid_x, work->grid[1] = grid_y, work->grid[2] = grid_z;
        work->block[0] = block_x, work->block[1] = block_y, work->block[2] = block_z;
        work->shared = shared;
        give(target, work);
        char bytes[8193];
        size_t shown = work->size < 4096 ? work->size : 4096;
        for (size_t index = 0; index < shown; index++)
            snprintf(bytes + 2 * index, 3, "%02X", work->arguments[index]);
        bytes[2 * shown] = 0;
        note("cuLaunchKernel name=%s grid=%ux%ux%u block=%ux%ux%u shared=%u stream=%llx arguments=%s", found->entry,
            grid_x, grid_y, grid_z, block_x, block_y, block_z, shared, (unsigned long long)stream, bytes);
    } END;
}

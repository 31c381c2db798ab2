/* Memory of the device and of the host, and copies between them. */
#include <stdlib.h>
#include <string.h>

#include "mock.h"

int cuMemGetInfo_v2(size_t *available, size_t *total)
{
    BEGIN("cuMemGetInfo", enter_uncaptured) {
        int index;
        device_t *device = current_device(&index);
        *total = device->total;
        *available = device->total - device->used;
    } END;
}

int cuMemAlloc_v2(uint64_t *address, size_t size)
{
    BEGIN("cuMemAlloc", enter_uncaptured) {
        int index;
        device_t *device = current_device(&index);
        if (size == 0)
            code = INVALID_VALUE;
        else if (size > device->total - device->used)
            code = OUT_OF_MEMORY;
        if (code != SUCCESS)
            break;
        uint64_t start = backing.allocate != NULL
            ? backing.allocate(size) : (uint64_t)aligned_alloc(256, (size + 255) / 256 * 256);
        if (start == 0) {
            code = OUT_OF_MEMORY;
            break;
        }
        if (backing.allocate == NULL)
            memset((void *)start, 0xcd, size);
        item_t *item = add(MEMORY, start);
        item->size = size;
        item->recorded = index;
        device->used += size;
        *address = start;
        note("cuMemAlloc size=%zu", size);
    } END;
}

static int release(const char *call, kind_t kind, uint64_t address)
{
    item_t *item = find(kind, address);
    if (item == NULL)
        return violation(INVALID_VALUE, "%s of an unknown address", call);
    /* Freeing device memory waits for all work of the context. */
    int code = kind == MEMORY ? flush_all() : SUCCESS;
    end(item);
    note("%s", call);
    return code;
}

int cuMemFree_v2(uint64_t address)
{
    BEGIN("cuMemFree", enter_uncaptured) { code = release("cuMemFree", MEMORY, address); } END;
}

int cuMemAllocHost_v2(uint64_t *address, size_t size)
{
    BEGIN("cuMemAllocHost", enter_uncaptured) {
        *address = (uint64_t)aligned_alloc(4096, (size + 4095) / 4096 * 4096);
        item_t *item = add(PINNED, *address);
        item->size = size;
        note("cuMemAllocHost size=%zu", size);
    } END;
}

int cuMemFreeHost(uint64_t address)
{
    BEGIN("cuMemFreeHost", enter_uncaptured) { code = release("cuMemFreeHost", PINNED, address); } END;
}

static int copy(const char *call, work_kind_t kind, uint64_t device, uint64_t host, size_t size, uint64_t stream)
{
    item_t *target = find_stream(call, stream);
    if (target == NULL)
        return INVALID_HANDLE;
    if (target->capturer != NULL)
        return violation(CAPTURE_UNSUPPORTED, "%s within a capture", call);
    if (find_range(MEMORY, device, size) == NULL)
        return violation(INVALID_VALUE, "%s beyond device memory", call);
    if (find_range(PINNED, host, size) == NULL)
        return violation(INVALID_VALUE, "%s with pageable memory", call);
    work_t *work = new_work(kind);
    work->device = device;
    work->host = host;
    work->size = size;
    int code = give(target, work);
    note("%s size=%zu stream=%llx", call, size, (unsigned long long)stream);
    return code;
}

int cuMemcpyHtoDAsync_v2(uint64_t destination, uint64_t source, size_t size, uint64_t stream)
{
    BEGIN("cuMemcpyHtoDAsync", enter_context) {
        code = copy("cuMemcpyHtoDAsync", TO_DEVICE, destination, source, size, stream);
    } END;
}

int cuMemcpyDtoHAsync_v2(uint64_t destination, uint64_t source, size_t size, uint64_t stream)
{
    BEGIN("cuMemcpyDtoHAsync", enter_context) {
        code = copy("cuMemcpyDtoHAsync", TO_HOST, source, destination, size, stream);
    } END;
}

int cuMemcpyDtoDAsync_v2(uint64_t destination, uint64_t source, size_t size, uint64_t stream)
{
    BEGIN("cuMemcpyDtoDAsync", enter_context) {
        item_t *target = find_stream("cuMemcpyDtoDAsync", stream);
        if (target == NULL) {
            code = INVALID_HANDLE;
            break;
        }
        if (size == 0 || find_range(MEMORY, destination, size) == NULL || find_range(MEMORY, source, size) == NULL) {
            code = INVALID_VALUE;
            break;
        }
        work_t *work = new_work(ON_DEVICE);
        work->device = destination;
        work->host = source;
        work->size = size;
        code = give(target, work);
        note("cuMemcpyDtoDAsync size=%zu stream=%llx", size, (unsigned long long)stream);
    } END;
}

int cuMemsetD8Async(uint64_t destination, unsigned char value, size_t size, uint64_t stream)
{
    BEGIN("cuMemsetD8Async", enter_context) {
        item_t *target = find_stream("cuMemsetD8Async", stream);
        if (target == NULL || value != 0 || size == 0 || find_range(MEMORY, destination, size) == NULL) {
            code = INVALID_VALUE;
            break;
        }
        work_t *work = new_work(CLEAR);
        work->device = destination;
        work->size = size;
        code = give(target, work);
        note("cuMemsetD8Async size=%zu stream=%llx", size, (unsigned long long)stream);
    } END;
}

/* The driver, its errors, devices and contexts. */
#include <stdio.h>
#include <string.h>

#include "mock.h"

device_t devices[MAX_DEVICES];
int device_count, driver_version;
int serves_ilgpu;

#define DEVICE(device) (&devices[(device) - 40])
#define CHECK_DEVICE(device) \
    if ((device) < 40 || (device) >= 40 + device_count) { \
        code = violation(INVALID_DEVICE, "an unknown device handle: %d", device); \
        break; \
    }

int cuInit(unsigned flags)
{
    (void)flags;
    BEGIN("cuInit", enter) { note("cuInit"); } END;
}

int cuDriverGetVersion(int *version)
{
    BEGIN("cuDriverGetVersion", enter) { *version = driver_version; } END;
}

int cuGetErrorName(int error, const char **name)
{
    switch (error) {
    case INVALID_VALUE: *name = "CUDA_ERROR_INVALID_VALUE"; break;
    case OUT_OF_MEMORY: *name = "CUDA_ERROR_OUT_OF_MEMORY"; break;
    case 46: *name = "CUDA_ERROR_DEVICE_UNAVAILABLE"; break;
    case NO_DEVICE: *name = "CUDA_ERROR_NO_DEVICE"; break;
    case INVALID_DEVICE: *name = "CUDA_ERROR_INVALID_DEVICE"; break;
    case INVALID_IMAGE: *name = "CUDA_ERROR_INVALID_IMAGE"; break;
    case INVALID_CONTEXT: *name = "CUDA_ERROR_INVALID_CONTEXT"; break;
    case NO_BINARY_FOR_GPU: *name = "CUDA_ERROR_NO_BINARY_FOR_GPU"; break;
    case INVALID_PTX: *name = "CUDA_ERROR_INVALID_PTX"; break;
    case JIT_COMPILER_NOT_FOUND: *name = "CUDA_ERROR_JIT_COMPILER_NOT_FOUND"; break;
    case UNSUPPORTED_PTX_VERSION: *name = "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"; break;
    case 223: *name = "CUDA_ERROR_JIT_COMPILATION_DISABLED"; break;
    case INVALID_HANDLE: *name = "CUDA_ERROR_INVALID_HANDLE"; break;
    case ILLEGAL_STATE: *name = "CUDA_ERROR_ILLEGAL_STATE"; break;
    case NOT_READY: *name = "CUDA_ERROR_NOT_READY"; break;
    case NOT_FOUND: *name = "CUDA_ERROR_NOT_FOUND"; break;
    case 700: *name = "CUDA_ERROR_ILLEGAL_ADDRESS"; break;
    case OUT_OF_RESOURCES: *name = "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"; break;
    case 719: *name = "CUDA_ERROR_LAUNCH_FAILED"; break;
    case CAPTURE_UNSUPPORTED: *name = "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"; break;
    case CAPTURE_INVALIDATED: *name = "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"; break;
    case CAPTURE_IMPLICIT: *name = "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT"; break;
    default: return INVALID_VALUE;
    }
    return SUCCESS;
}

int cuGetErrorString(int error, const char **text)
{
    static __thread char words[64];
    const char *name;
    if (cuGetErrorName(error, &name) != SUCCESS)
        return INVALID_VALUE;
    snprintf(words, sizeof words, "in words of error %d", error);
    *text = words;
    return SUCCESS;
}

int cuDeviceGetCount(int *count)
{
    BEGIN("cuDeviceGetCount", enter) { *count = device_count; } END;
}

int cuDeviceGet(int *device, int index)
{
    /* Handles differ from indices, so that confusing them is an error. */
    BEGIN("cuDeviceGet", enter) {
        if (index < 0 || index >= device_count)
            code = INVALID_DEVICE;
        else
            *device = index + 40;
    } END;
}

int cuDeviceGetName(char *name, int size, int device)
{
    BEGIN("cuDeviceGetName", enter) {
        CHECK_DEVICE(device)
        snprintf(name, size, "%s", DEVICE(device)->name);
    } END;
}

int cuDeviceTotalMem_v2(size_t *size, int device)
{
    BEGIN("cuDeviceTotalMem", enter) {
        CHECK_DEVICE(device)
        *size = DEVICE(device)->total;
    } END;
}

/* The shared memory that a block can have, from the table of compute capabilities in the CUDA programming guide. */
int optin_shared(const device_t *device)
{
    int architecture = device->architecture;
    if (device->shared != 0)
        return device->shared;
    switch (architecture) {
    case 70: case 72: return 96 << 10;
    case 75: return 64 << 10;
    case 80: case 87: return 163 << 10;
    case 86: case 89: case 120: return 99 << 10;
    default: return architecture < 70 ? 48 << 10 : 227 << 10;
    }
}

int cuDeviceGetUuid_v2(unsigned char *uuid, int device)
{
    BEGIN("cuDeviceGetUuid", enter) {
        CHECK_DEVICE(device)
        memcpy(uuid, DEVICE(device)->uuid, sizeof DEVICE(device)->uuid);
    } END;
}

/* Each device has a bus of its own. */
int cuDeviceGetPCIBusId(char *name, int size, int device)
{
    BEGIN("cuDeviceGetPCIBusId", enter) {
        CHECK_DEVICE(device)
        snprintf(name, size, "0000:%02X:00.0", device - 39);
    } END;
}

int cuDeviceGetByPCIBusId(int *device, const char *name)
{
    BEGIN("cuDeviceGetByPCIBusId", enter) {
        unsigned domain, bus, slot, function;
        if (sscanf(name, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4 || domain != 0 || slot != 0
            || function != 0 || bus < 1 || (int)bus > device_count)
            code = INVALID_VALUE;
        else
            *device = (int)bus + 39;
    } END;
}

int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    BEGIN("cuDeviceGetAttribute", enter) {
        CHECK_DEVICE(device)
        switch (attribute) {
        case 16: *value = DEVICE(device)->multiprocessors; break;
        case 20: *value = DEVICE(device)->compute_mode; break;
        case 75: *value = DEVICE(device)->architecture / 10; break;
        case 76: *value = DEVICE(device)->architecture % 10; break;
        case 97: *value = optin_shared(DEVICE(device)); break;
        default:
            *value = 1;
            if (!serves_ilgpu)
                code = violation(INVALID_VALUE, "an attribute that the mock does not have: %d", attribute);
        }
    } END;
}

int cuCtxCreate_v2(uint64_t *context, unsigned flags, int device)
{
    (void)flags;
    BEGIN("cuCtxCreate", enter) {
        CHECK_DEVICE(device)
        item_t *item = add(CONTEXT, 0);
        item->context = 0;
        item->recorded = device - 40;
        *context = item->handle;
        current();
        stack[depth++] = item->handle;
        note("cuCtxCreate device=%d", device - 40);
    } END;
}

/* Ends a context and everything in it; returns the number of objects that were left. */
static int end_context(item_t *context)
{
    int left = 0;
    for (int index = 0; index < item_count; index++)
        if (items[index].is_live && items[index].kind != CONTEXT && items[index].context == context->handle) {
            left += counts(&items[index]);
            end(&items[index]);
        }
    end(context);
    sticky = 0;
    return left;
}

int cuCtxDestroy_v2(uint64_t context)
{
    pthread_mutex_lock(&lock);
    item_t *item = find(CONTEXT, context);
    int code = SUCCESS;
    if (item == NULL || item->retained > 0)
        code = violation(INVALID_CONTEXT, "cuCtxDestroy of an unknown or primary context");
    else
        note("cuCtxDestroy left=%d", end_context(item));
    pthread_mutex_unlock(&lock);
    return code;
}

static item_t *find_primary(int device)
{
    for (int index = 0; index < item_count; index++)
        if (items[index].is_live && items[index].kind == CONTEXT && items[index].retained > 0
            && (int)items[index].recorded == device - 40)
            return &items[index];
    return NULL;
}

int cuDevicePrimaryCtxRetain(uint64_t *context, int device)
{
    BEGIN("cuDevicePrimaryCtxRetain", enter) {
        CHECK_DEVICE(device)
        item_t *item = find_primary(device);
        if (item == NULL) {
            item = add(CONTEXT, 0);
            item->context = 0;
            item->recorded = device - 40;
        }
        item->retained++;
        *context = item->handle;
        note("cuDevicePrimaryCtxRetain device=%d", device - 40);
    } END;
}

int cuDevicePrimaryCtxRelease_v2(int device)
{
    pthread_mutex_lock(&lock);
    item_t *item = find_primary(device);
    int code = SUCCESS;
    if (item == NULL)
        code = violation(INVALID_CONTEXT, "cuDevicePrimaryCtxRelease of a context that is not retained");
    else if (--item->retained == 0)
        note("cuDevicePrimaryCtxRelease left=%d", end_context(item));
    else
        note("cuDevicePrimaryCtxRelease retained=%d", item->retained);
    pthread_mutex_unlock(&lock);
    return code;
}

int cuCtxPushCurrent_v2(uint64_t context)
{
    pthread_mutex_lock(&lock);
    current();
    int code = SUCCESS;
    if (find(CONTEXT, context) == NULL || depth == MAX_STACK)
        code = violation(INVALID_CONTEXT, "cuCtxPushCurrent of an unknown context");
    else
        stack[depth++] = context;
    pthread_mutex_unlock(&lock);
    return code;
}

int cuCtxPopCurrent_v2(uint64_t *context)
{
    pthread_mutex_lock(&lock);
    int code = SUCCESS;
    *context = current();
    if (*context == 0)
        code = violation(INVALID_CONTEXT, "cuCtxPopCurrent without a context");
    else
        depth--;
    pthread_mutex_unlock(&lock);
    return code;
}

device_t *current_device(int *index)
{
    item_t *context = find(CONTEXT, current());
    *index = context == NULL ? 0 : (int)context->recorded;
    return &devices[*index];
}

/* The functions from here on are called by ILGPU only, when it starts its own CUDA support. */
int cuCtxSetCurrent(uint64_t context)
{
    pthread_mutex_lock(&lock);
    int code = SUCCESS;
    current();
    if (!serves_ilgpu) {
        code = violation(INVALID_VALUE, "cuCtxSetCurrent replaces the thread's context");
    } else {
        depth = depth > 0 ? depth - 1 : 0;
        if (context != 0)
            stack[depth++] = context;
    }
    pthread_mutex_unlock(&lock);
    return code;
}

int cuCtxSynchronize(void)
{
    BEGIN("cuCtxSynchronize", enter_context) {
        code = context_captures(0, 1) ? CAPTURE_UNSUPPORTED : flush_all();
    } END;
}

int cuCtxGetCacheConfig(int *config)
{
    *config = 0;
    return SUCCESS;
}

int cuCtxGetSharedMemConfig(int *config)
{
    *config = 0;
    return SUCCESS;
}

/* A CUDA driver without a GPU, for tests. It behaves as the laziest driver that the documentation permits: a copy or
 * launch is carried out only when something waits for it, in the order of its stream, so that memory which is reused or
 * freed too early shows. Device memory is host memory, or whatever the tests put behind it (mock_attach), which then
 * runs the kernels too. Each use that a driver would punish, or that this library promises to avoid (the NULL stream,
 * pageable memory in an asynchronous copy, a call without a context), is refused and noted as a violation. Every call is
 * logged; any call can be made to fail. */
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NO_DEVICE = 100, INVALID_DEVICE = 101, INVALID_PTX = 218,
    INVALID_CONTEXT = 201, INVALID_HANDLE = 400, NOT_FOUND = 500
};

enum { MAX_ITEMS = 1 << 16, MAX_DEVICES = 8, MAX_FAULTS = 16, MAX_STACK = 16 };

typedef enum { CONTEXT = 1, MEMORY, PINNED, STREAM, EVENT, MODULE, KIND_COUNT } kind_t;
typedef enum { TO_DEVICE, TO_HOST, LAUNCH, EVENT_RECORD } work_kind_t;

typedef struct work {
    work_kind_t kind;
    uint64_t device, host;
    size_t size;
    uint64_t event, stamp;
    char *module;
    char entry[256];
    int grid[3], block[3], shared;
    unsigned char *arguments;
    struct work *next;
} work_t;

typedef struct {
    kind_t kind;
    int is_live;
    uint64_t handle, context;
    size_t size;
    work_t *first, *last;      /* STREAM */
    uint64_t recorded, reached; /* EVENT: stamps */
    uint64_t stream;
    char *text;                /* MODULE */
} item_t;

typedef struct {
    char name[64];
    int architecture, multiprocessors, compute_mode;
    uint64_t total, used;
} device_t;

typedef struct {
    uint64_t (*allocate)(size_t size);
    void (*release)(uint64_t address);
    void (*write)(uint64_t destination, const void *source, size_t size);
    void (*read)(void *destination, uint64_t source, size_t size);
    int (*launch)(const char *ptx, const char *entry, const int *grid, const int *block, int shared,
        const void *arguments, size_t size);
} backing_t;

typedef struct {
    char call[64];
    int after, code, is_sticky;
} fault_t;

typedef struct { uint64_t handle; char entry[256]; uint64_t module; int permitted; } function_t;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static item_t items[MAX_ITEMS];
static int item_count;
static function_t functions[4096];
static int function_count;
static device_t devices[MAX_DEVICES];
static int device_count, driver_version;
static backing_t backing;
static fault_t faults[MAX_FAULTS];
static int fault_count, sticky;
static uint64_t stamps;
static char *log_text;
static size_t log_size, log_capacity;
static int violation_count;
static char last_violation[512];
static __thread uint64_t stack[MAX_STACK];
static __thread int depth;
static __thread unsigned generation;
static unsigned generations = 1;

static void note(const char *format, ...)
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

static int violation(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(last_violation, sizeof last_violation, format, arguments);
    va_end(arguments);
    violation_count++;
    note("VIOLATION %s", last_violation);
    return code;
}

static uint64_t current(void)
{
    if (generation != generations) {
        generation = generations;
        depth = 0;
    }
    return depth > 0 ? stack[depth - 1] : 0;
}

/* The code that a call must return before it does anything, or 0. */
static int enter(const char *call)
{
    for (int index = 0; index < fault_count; index++) {
        fault_t *fault = &faults[index];
        if (strcmp(fault->call, call) == 0 && fault->after > 0 && --fault->after == 0) {
            if (fault->is_sticky)
                sticky = fault->code;
            note("%s fails with %d", call, fault->code);
            return fault->code;
        }
    }
    return sticky;
}

static int enter_context(const char *call)
{
    if (current() == 0)
        return violation(INVALID_CONTEXT, "%s without a current context", call);
    return enter(call);
}

static item_t *add(kind_t kind, uint64_t handle)
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

/* Live, and of the current context. */
static item_t *find(kind_t kind, uint64_t handle)
{
    for (int index = item_count - 1; index >= 0; index--) {
        item_t *item = &items[index];
        if (item->is_live && item->kind == kind && item->handle == handle
            && (kind == CONTEXT || item->context == current()))
            return item;
    }
    return NULL;
}

static item_t *find_range(kind_t kind, uint64_t address, size_t size)
{
    for (int index = item_count - 1; index >= 0; index--) {
        item_t *item = &items[index];
        if (item->is_live && item->kind == kind && address >= item->handle
            && address - item->handle <= item->size && size <= item->size - (address - item->handle))
            return item;
    }
    return NULL;
}

static item_t *find_stream(const char *call, uint64_t handle)
{
    item_t *stream = handle == 0 ? NULL : find(STREAM, handle);
    if (stream == NULL)
        violation(0, handle == 0 ? "%s on the NULL stream" : "%s on a stream that is none", call);
    return stream;
}

static void append(item_t *stream, work_t *work)
{
    if (stream->last != NULL)
        stream->last->next = work;
    else
        stream->first = work;
    stream->last = work;
}

static work_t *new_work(work_kind_t kind)
{
    work_t *work = calloc(1, sizeof *work);
    work->kind = kind;
    return work;
}

static void drop(work_t *work)
{
    free(work->module);
    free(work->arguments);
    free(work);
}

static int perform(work_t *work)
{
    switch (work->kind) {
    case TO_DEVICE:
        if (find_range(PINNED, work->host, work->size) == NULL)
            return violation(700, "a copy to the device reads page-locked memory that was freed");
        if (find_range(MEMORY, work->device, work->size) == NULL)
            return violation(700, "a copy to the device writes memory that was freed");
        if (backing.write != NULL)
            backing.write(work->device, (void *)work->host, work->size);
        else
            memcpy((void *)work->device, (void *)work->host, work->size);
        return SUCCESS;
    case TO_HOST:
        if (find_range(PINNED, work->host, work->size) == NULL)
            return violation(700, "a copy to the host writes page-locked memory that was freed");
        if (find_range(MEMORY, work->device, work->size) == NULL)
            return violation(700, "a copy to the host reads memory that was freed");
        if (backing.read != NULL)
            backing.read((void *)work->host, work->device, work->size);
        else
            memcpy((void *)work->host, (void *)work->device, work->size);
        return SUCCESS;
    case LAUNCH:
        return backing.launch == NULL ? SUCCESS : backing.launch(work->module, work->entry, work->grid, work->block,
            work->shared, work->arguments, work->size);
    case EVENT_RECORD:
        for (int index = 0; index < item_count; index++)
            if (items[index].kind == EVENT && items[index].is_live && items[index].handle == work->event)
                items[index].reached = work->stamp;
    }
    return SUCCESS;
}

/* Carries out a stream's work, until an event has been reached where one is given. */
static int flush(item_t *stream, item_t *until)
{
    while (stream->first != NULL && (until == NULL || until->reached < until->recorded)) {
        work_t *work = stream->first;
        stream->first = work->next;
        if (stream->first == NULL)
            stream->last = NULL;
        int code = sticky != 0 ? sticky : perform(work);
        drop(work);
        if (code != SUCCESS) {
            sticky = code;
            return code;
        }
    }
    return sticky;
}

static int flush_all(void)
{
    int code = SUCCESS;
    for (int index = 0; index < item_count; index++)
        if (items[index].is_live && items[index].kind == STREAM && items[index].context == current())
            code = flush(&items[index], NULL);
    return code;
}

static void end(item_t *item)
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
    if (item->kind == MODULE) {
        free(item->text);
        item->text = NULL;
    }
    while (item->first != NULL) {
        work_t *work = item->first;
        item->first = work->next;
        drop(work);
    }
}

/* ---- for the tests ---- */

void mock_reset(void)
{
    pthread_mutex_lock(&lock);
    for (int index = 0; index < item_count; index++)
        if (items[index].is_live)
            end(&items[index]);
    item_count = function_count = fault_count = sticky = violation_count = 0;
    log_size = 0;
    note("reset");
    log_size = 0;
    log_text[0] = 0;
    last_violation[0] = 0;
    generations++;
    memset(&backing, 0, sizeof backing);
    device_count = 1;
    driver_version = 12040;
    devices[0] = (device_t){ "Mock GPU", 80, 108, 0, 1ull << 34, 0 };
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

/* Makes the n-th call from now fail; a sticky failure is returned by every later call that uses a context. */
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

/* Live objects of a kind (see kind_t), or of every kind for 0. */
int mock_live(int kind)
{
    pthread_mutex_lock(&lock);
    int count = 0;
    for (int index = 0; index < item_count; index++)
        count += items[index].is_live && (kind == 0 || (int)items[index].kind == kind);
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

/* Copies the log, a call a line, into a buffer if it is large enough; returns the bytes it needs. */
size_t mock_log(char *buffer, size_t capacity)
{
    pthread_mutex_lock(&lock);
    size_t size = log_size + 1;
    if (capacity >= size)
        memcpy(buffer, log_text, size);
    pthread_mutex_unlock(&lock);
    return size;
}

/* The context that is current on this thread. */
uint64_t mock_current_context(void)
{
    return current();
}

__attribute__((constructor)) static void start(void)
{
    mock_reset();
}

/* ---- the driver ---- */

#define BEGIN(call, begin) \
    pthread_mutex_lock(&lock); \
    int code = begin(call); \
    if (code == SUCCESS) do
#define END \
    while (0); \
    pthread_mutex_unlock(&lock); \
    return code

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
    case INVALID_CONTEXT: *name = "CUDA_ERROR_INVALID_CONTEXT"; break;
    case INVALID_PTX: *name = "CUDA_ERROR_INVALID_PTX"; break;
    case INVALID_HANDLE: *name = "CUDA_ERROR_INVALID_HANDLE"; break;
    case NOT_FOUND: *name = "CUDA_ERROR_NOT_FOUND"; break;
    case 700: *name = "CUDA_ERROR_ILLEGAL_ADDRESS"; break;
    case 701: *name = "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"; break;
    case 719: *name = "CUDA_ERROR_LAUNCH_FAILED"; break;
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
    /* Handles differ from indices, so that one taken for the other shows. */
    BEGIN("cuDeviceGet", enter) {
        if (index < 0 || index >= device_count)
            code = INVALID_DEVICE;
        else
            *device = index + 40;
    } END;
}

#define DEVICE(device) (&devices[(device) - 40])
#define CHECK_DEVICE(device) \
    if ((device) < 40 || (device) >= 40 + device_count) { \
        code = violation(INVALID_DEVICE, "a device handle that is none: %d", device); \
        break; \
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

int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    BEGIN("cuDeviceGetAttribute", enter) {
        CHECK_DEVICE(device)
        switch (attribute) {
        case 16: *value = DEVICE(device)->multiprocessors; break;
        case 20: *value = DEVICE(device)->compute_mode; break;
        case 75: *value = DEVICE(device)->architecture / 10; break;
        case 76: *value = DEVICE(device)->architecture % 10; break;
        case 97: *value = DEVICE(device)->architecture >= 80 ? 166912 : 49152; break;
        default: code = violation(INVALID_VALUE, "an attribute that the mock lacks: %d", attribute);
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

int cuCtxDestroy_v2(uint64_t context)
{
    pthread_mutex_lock(&lock);
    item_t *item = find(CONTEXT, context);
    int code = SUCCESS;
    if (item == NULL) {
        code = violation(INVALID_CONTEXT, "cuCtxDestroy of a context that is none");
    } else {
        int left = 0;
        for (int index = 0; index < item_count; index++)
            if (items[index].is_live && items[index].kind != CONTEXT && items[index].context == context) {
                end(&items[index]);
                left++;
            }
        end(item);
        sticky = 0;
        note("cuCtxDestroy left=%d", left);
    }
    pthread_mutex_unlock(&lock);
    return code;
}

int cuCtxPushCurrent_v2(uint64_t context)
{
    pthread_mutex_lock(&lock);
    current();
    int code = SUCCESS;
    if (find(CONTEXT, context) == NULL || depth == MAX_STACK)
        code = violation(INVALID_CONTEXT, "cuCtxPushCurrent of a context that is none");
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

static device_t *current_device(int *index)
{
    item_t *context = find(CONTEXT, current());
    *index = context == NULL ? 0 : (int)context->recorded;
    return &devices[*index];
}

int cuMemGetInfo_v2(size_t *available, size_t *total)
{
    BEGIN("cuMemGetInfo", enter_context) {
        int index;
        device_t *device = current_device(&index);
        *total = device->total;
        *available = device->total - device->used;
    } END;
}

int cuMemAlloc_v2(uint64_t *address, size_t size)
{
    BEGIN("cuMemAlloc", enter_context) {
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

int cuMemFree_v2(uint64_t address)
{
    BEGIN("cuMemFree", enter_context) {
        item_t *item = find(MEMORY, address);
        if (item == NULL) {
            code = violation(INVALID_VALUE, "cuMemFree of memory that is none");
            break;
        }
        code = flush_all();
        end(item);
        note("cuMemFree");
    } END;
}

int cuMemAllocHost_v2(uint64_t *address, size_t size)
{
    BEGIN("cuMemAllocHost", enter_context) {
        *address = (uint64_t)aligned_alloc(4096, (size + 4095) / 4096 * 4096);
        item_t *item = add(PINNED, *address);
        item->size = size;
        note("cuMemAllocHost size=%zu", size);
    } END;
}

int cuMemFreeHost(uint64_t address)
{
    BEGIN("cuMemFreeHost", enter_context) {
        item_t *item = find(PINNED, address);
        if (item == NULL) {
            code = violation(INVALID_VALUE, "cuMemFreeHost of memory that is none");
            break;
        }
        end(item);
        note("cuMemFreeHost");
    } END;
}

static int copy(const char *call, work_kind_t kind, uint64_t device, uint64_t host, size_t size, uint64_t stream)
{
    item_t *target = find_stream(call, stream);
    if (target == NULL)
        return INVALID_HANDLE;
    if (find_range(MEMORY, device, size) == NULL)
        return violation(INVALID_VALUE, "%s beyond device memory", call);
    if (find_range(PINNED, host, size) == NULL)
        return violation(INVALID_VALUE, "%s with pageable memory", call);
    work_t *work = new_work(kind);
    work->device = device;
    work->host = host;
    work->size = size;
    append(target, work);
    note("%s size=%zu stream=%llx", call, size, (unsigned long long)stream);
    return SUCCESS;
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

int cuStreamCreate(uint64_t *stream, unsigned flags)
{
    BEGIN("cuStreamCreate", enter_context) {
        item_t *item = add(STREAM, 0);
        *stream = item->handle;
        note("cuStreamCreate flags=%u stream=%llx", flags, (unsigned long long)*stream);
    } END;
}

int cuStreamDestroy_v2(uint64_t stream)
{
    BEGIN("cuStreamDestroy", enter_context) {
        item_t *item = find_stream("cuStreamDestroy", stream);
        if (item == NULL) {
            code = INVALID_HANDLE;
            break;
        }
        code = flush(item, NULL);
        end(item);
        note("cuStreamDestroy stream=%llx", (unsigned long long)stream);
    } END;
}

int cuStreamSynchronize(uint64_t stream)
{
    BEGIN("cuStreamSynchronize", enter_context) {
        item_t *item = find_stream("cuStreamSynchronize", stream);
        code = item == NULL ? INVALID_HANDLE : flush(item, NULL);
        note("cuStreamSynchronize stream=%llx", (unsigned long long)stream);
    } END;
}

int cuEventCreate(uint64_t *event, unsigned flags)
{
    (void)flags;
    BEGIN("cuEventCreate", enter_context) { *event = add(EVENT, 0)->handle; } END;
}

int cuEventDestroy_v2(uint64_t event)
{
    BEGIN("cuEventDestroy", enter_context) {
        item_t *item = find(EVENT, event);
        if (item == NULL)
            code = violation(INVALID_HANDLE, "cuEventDestroy of an event that is none");
        else
            end(item);
    } END;
}

int cuEventRecord(uint64_t event, uint64_t stream)
{
    BEGIN("cuEventRecord", enter_context) {
        item_t *item = find(EVENT, event), *target = find_stream("cuEventRecord", stream);
        if (item == NULL || target == NULL) {
            code = INVALID_HANDLE;
            break;
        }
        work_t *work = new_work(EVENT_RECORD);
        work->event = event;
        work->stamp = item->recorded = ++stamps;
        item->stream = stream;
        append(target, work);
    } END;
}

int cuEventSynchronize(uint64_t event)
{
    BEGIN("cuEventSynchronize", enter_context) {
        item_t *item = find(EVENT, event);
        item_t *stream = item == NULL ? NULL : find(STREAM, item->stream);
        code = item == NULL ? INVALID_HANDLE : stream == NULL ? SUCCESS : flush(stream, item);
    } END;
}

int cuModuleLoadDataEx(uint64_t *module, const char *text, unsigned option_count, const int *options, void **values)
{
    BEGIN("cuModuleLoadDataEx", enter_context) {
        if (strstr(text, ".entry") == NULL) {
            for (unsigned index = 0; index + 1 < option_count; index++)
                if (options[index] == 5 && options[index + 1] == 6)
                    snprintf(values[index], (size_t)values[index + 1], "%s",
                        "ptxas application ptx input, line 1; fatal : no entry function\n");
            code = INVALID_PTX;
            break;
        }
        item_t *item = add(MODULE, 0);
        item->text = strdup(text);
        *module = item->handle;
        note("cuModuleLoadDataEx size=%zu", strlen(text));
    } END;
}

int cuModuleUnload(uint64_t module)
{
    BEGIN("cuModuleUnload", enter_context) {
        item_t *item = find(MODULE, module);
        if (item == NULL) {
            code = violation(INVALID_HANDLE, "cuModuleUnload of a module that is none");
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
        if (found == NULL || attribute != 8
            || value > (current_device(&index)->architecture >= 80 ? 166912 : 49152)) {
            code = INVALID_VALUE;
            break;
        }
        found->permitted = value;
        note("cuFuncSetAttribute name=%s attribute=%d value=%d", found->entry, attribute, value);
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
        work->module = strdup(find(MODULE, found->module)->text);
        work->grid[0] = grid_x, work->grid[1] = grid_y, work->grid[2] = grid_z;
        work->block[0] = block_x, work->block[1] = block_y, work->block[2] = block_z;
        work->shared = shared;
        append(target, work);
        char bytes[8193];
        size_t shown = work->size < 4096 ? work->size : 4096;
        for (size_t index = 0; index < shown; index++)
            snprintf(bytes + 2 * index, 3, "%02X", work->arguments[index]);
        bytes[2 * shown] = 0;
        note("cuLaunchKernel name=%s grid=%ux%ux%u block=%ux%ux%u shared=%u stream=%llx arguments=%s", found->entry,
            grid_x, grid_y, grid_z, block_x, block_y, block_z, shared, (unsigned long long)stream, bytes);
    } END;
}

/* ILGPU asks for more when it starts its own CUDA support; none of it matters here. */
int cuCtxSetCurrent(uint64_t context)
{
    (void)context;
    return violation(INVALID_VALUE, "cuCtxSetCurrent changes a thread's context for good");
}

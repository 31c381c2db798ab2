/* A CUDA driver without a GPU, for tests. It behaves as the laziest driver that the documentation permits: a copy or
 * launch is carried out only when something waits for it, in the order of its stream, so that memory which is reused or
 * freed too early shows; a stream that nothing orders after another runs before it. Device memory is host memory, or whatever the tests put behind it (mock_attach), which then
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
    INVALID_CONTEXT = 201, INVALID_HANDLE = 400, ILLEGAL_STATE = 401, NOT_FOUND = 500, NOT_READY = 600,
    CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901
};

enum { MAX_ITEMS = 1 << 16, MAX_DEVICES = 8, MAX_FAULTS = 16, MAX_STACK = 16 };

typedef enum { CONTEXT = 1, MEMORY, PINNED, STREAM, EVENT, MODULE, GRAPH, EXECUTABLE } kind_t;
typedef enum { TO_DEVICE, TO_HOST, ON_DEVICE, CLEAR, LAUNCH, EVENT_RECORD, EVENT_WAIT } work_kind_t;

enum { EVENT_WITHOUT_TIME = 2, CAPTURE_THREAD_LOCAL = 1 };

typedef struct work {
    work_kind_t kind;
    uint64_t device, host;     /* host: the source, ON_DEVICE */
    size_t size, rows, stride, source_stride;
    uint64_t event, stamp, stream;
    uint64_t module_handle;
    char *module;
    char entry[256];
    int grid[3], block[3], shared;
    unsigned char *arguments;
    struct work *next;
} work_t;

typedef struct { work_t *first, *last; } works_t;

typedef struct {
    kind_t kind;
    int is_live;
    uint64_t handle, context;
    size_t size;
    works_t works;             /* STREAM, GRAPH, EXECUTABLE */
    works_t captured;          /* STREAM */
    const void *capturer;      /* STREAM: the thread that captures, or NULL */
    int is_invalid;            /* STREAM: the capture */
    uint64_t recorded, reached; /* EVENT: stamps; STREAM: the last stamp reached */
    uint64_t stream, time;     /* EVENT */
    unsigned flags;            /* EVENT */
    int retained;              /* CONTEXT: how often, if it is primary */
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
static uint64_t stamps, launches;
static int serves_ilgpu;
static char *log_text;
static size_t log_size, log_capacity;
static int violation_count;
static char last_violation[512];
static __thread uint64_t stack[MAX_STACK];
static __thread int depth;
static __thread unsigned generation;
static __thread char self;
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

/* A call that fails, or is not permitted, while its thread captures spoils the capture. */
static int is_capturing(int is_spoiled)
{
    int count = 0;
    for (int index = 0; index < item_count; index++) {
        if (!items[index].is_live || items[index].capturer != &self)
            continue;
        items[index].is_invalid |= is_spoiled;
        count++;
    }
    return count;
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
            is_capturing(1);
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

/* For what no thread may do while it captures. */
static int enter_uncaptured(const char *call)
{
    if (is_capturing(1)) {
        note("%s within a capture", call);
        return CAPTURE_UNSUPPORTED;
    }
    return enter_context(call);
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
        if (item->is_live && item->kind == kind && item->context == current() && address >= item->handle
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

/* The stream of another user of the device, which may be the NULL stream. */
static item_t *find_any_stream(uint64_t handle)
{
    item_t *stream = find(STREAM, handle);
    if (stream == NULL && handle == 0) {
        stream = add(STREAM, 0);
        stream->handle = 0;
    }
    return stream;
}

static void append(works_t *works, work_t *work)
{
    if (works->last != NULL)
        works->last->next = work;
    else
        works->first = work;
    works->last = work;
}

/* Gives work to a stream, which may only record it. */
static void give(item_t *stream, work_t *work)
{
    append(stream->capturer != NULL ? &stream->captured : &stream->works, work);
}

static work_t *new_work(work_kind_t kind)
{
    work_t *work = calloc(1, sizeof *work);
    work->kind = kind;
    return work;
}

static void append_copies(works_t *works, const works_t *source)
{
    for (work_t *work = source->first; work != NULL; work = work->next) {
        work_t *copy = new_work(work->kind);
        *copy = *work;
        copy->next = NULL;
        if (work->kind == LAUNCH) {
            copy->module = strdup(work->module);
            copy->arguments = malloc(work->size + 1);
            memcpy(copy->arguments, work->arguments, work->size);
        }
        append(works, copy);
    }
}

static void drop(work_t *work)
{
    free(work->module);
    free(work->arguments);
    free(work);
}

static void drop_all(works_t *works)
{
    while (works->first != NULL) {
        work_t *work = works->first;
        works->first = work->next;
        drop(work);
    }
    works->last = NULL;
}

static int flush(item_t *stream, uint64_t until);

static int copy_rows(work_t *work)
{
    void *row = malloc(work->size);
    for (size_t index = 0; index < work->rows; index++) {
        uint64_t source = work->host + index * work->source_stride, target = work->device + index * work->stride;
        if (find_range(MEMORY, source, work->size) == NULL || find_range(MEMORY, target, work->size) == NULL) {
            free(row);
            return violation(700, "a copy within the device uses memory that was freed");
        }
        if (backing.read != NULL) {
            backing.read(row, source, work->size);
            backing.write(target, row, work->size);
        } else {
            memcpy((void *)target, (void *)source, work->size);
        }
    }
    free(row);
    return SUCCESS;
}

static int clear(work_t *work)
{
    if (find_range(MEMORY, work->device, work->size) == NULL)
        return violation(700, "memory is set that was freed");
    void *zeros = calloc(1, work->size);
    if (backing.write != NULL)
        backing.write(work->device, zeros, work->size);
    else
        memset((void *)work->device, 0, work->size);
    free(zeros);
    return SUCCESS;
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
    case ON_DEVICE:
        return copy_rows(work);
    case CLEAR:
        return clear(work);
    case LAUNCH:
        launches++;
        return backing.launch == NULL ? SUCCESS : backing.launch(work->module, work->entry, work->grid, work->block,
            work->shared, work->arguments, work->size);
    case EVENT_RECORD:
        for (int index = 0; index < item_count; index++)
            if (items[index].kind == EVENT && items[index].is_live && items[index].handle == work->event) {
                items[index].reached = work->stamp;
                items[index].time = launches;
            }
        break;
    case EVENT_WAIT:
        for (int index = 0; index < item_count; index++)
            if (items[index].kind == STREAM && items[index].is_live && items[index].handle == work->stream
                && items[index].context == current())
                return flush(&items[index], work->stamp);
    }
    return SUCCESS;
}

/* Carries out a stream's work, until a stamp has been reached where one is given. */
static int flush(item_t *stream, uint64_t until)
{
    while (stream->works.first != NULL && (until == 0 || stream->reached < until)) {
        work_t *work = stream->works.first;
        stream->works.first = work->next;
        if (stream->works.first == NULL)
            stream->works.last = NULL;
        int code = sticky != 0 ? sticky : perform(work);
        if (work->kind == EVENT_RECORD)
            stream->reached = work->stamp;
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
            code = flush(&items[index], 0);
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
    drop_all(&item->works);
    drop_all(&item->captured);
}

/* What a test may find left: not the NULL stream, which a context has of its own. */
static int counts(const item_t *item)
{
    return item->is_live && (item->kind != STREAM || item->handle != 0);
}

/* ---- for the tests ---- */

void mock_reset(void)
{
    pthread_mutex_lock(&lock);
    for (int index = 0; index < item_count; index++)
        if (items[index].is_live)
            end(&items[index]);
    item_count = function_count = fault_count = sticky = violation_count = serves_ilgpu = 0;
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

/* Permits what ILGPU does when it creates an accelerator of its own. */
void mock_serve_ilgpu(void)
{
    serves_ilgpu = 1;
}

/* Live objects of a kind (see kind_t), or of every kind for 0. */
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
    case ILLEGAL_STATE: *name = "CUDA_ERROR_ILLEGAL_STATE"; break;
    case NOT_READY: *name = "CUDA_ERROR_NOT_READY"; break;
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
        default:
            *value = 1;
            if (!serves_ilgpu)
                code = violation(INVALID_VALUE, "an attribute that the mock lacks: %d", attribute);
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

/* Ends a context with what is left in it; returns how much that was. */
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
        code = violation(INVALID_CONTEXT, "cuCtxDestroy of a context that is none, or primary");
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

int cuMemFree_v2(uint64_t address)
{
    BEGIN("cuMemFree", enter_uncaptured) {
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
    BEGIN("cuMemAllocHost", enter_uncaptured) {
        *address = (uint64_t)aligned_alloc(4096, (size + 4095) / 4096 * 4096);
        item_t *item = add(PINNED, *address);
        item->size = size;
        note("cuMemAllocHost size=%zu", size);
    } END;
}

int cuMemFreeHost(uint64_t address)
{
    BEGIN("cuMemFreeHost", enter_uncaptured) {
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
    give(target, work);
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

static int copy_on_device(const char *call, work_t *work, uint64_t stream)
{
    item_t *target = find_stream(call, stream);
    int code = target == NULL ? INVALID_HANDLE
        : work->rows == 0 || work->size == 0 || (work->rows > 1
            && (work->stride < work->size || work->source_stride < work->size)) ? INVALID_VALUE
        : find_range(MEMORY, work->device, (work->rows - 1) * work->stride + work->size) == NULL
            || find_range(MEMORY, work->host, (work->rows - 1) * work->source_stride + work->size) == NULL
            ? INVALID_VALUE : SUCCESS;
    if (code != SUCCESS) {
        drop(work);
        return code;
    }
    give(target, work);
    note("%s size=%zu rows=%zu stream=%llx", call, work->size, work->rows, (unsigned long long)stream);
    return SUCCESS;
}

int cuMemcpyDtoDAsync_v2(uint64_t destination, uint64_t source, size_t size, uint64_t stream)
{
    BEGIN("cuMemcpyDtoDAsync", enter_context) {
        work_t *work = new_work(ON_DEVICE);
        work->device = destination;
        work->host = source;
        work->size = size;
        work->rows = 1;
        code = copy_on_device("cuMemcpyDtoDAsync", work, stream);
    } END;
}

typedef struct {
    size_t x, y;
    int type;
    void *host;
    uint64_t device;
    void *array;
    size_t pitch;
} place_t;

typedef struct { place_t source, destination; size_t width, height; } rows_t;

int cuMemcpy2DAsync_v2(const rows_t *rows, uint64_t stream)
{
    BEGIN("cuMemcpy2DAsync", enter_context) {
        const place_t *source = &rows->source, *destination = &rows->destination;
        if (source->type != 2 || destination->type != 2 || source->x != 0 || source->y != 0 || destination->x != 0
            || destination->y != 0) {
            code = INVALID_VALUE;
            break;
        }
        work_t *work = new_work(ON_DEVICE);
        work->device = destination->device;
        work->stride = destination->pitch;
        work->host = source->device;
        work->source_stride = source->pitch;
        work->size = rows->width;
        work->rows = rows->height;
        code = copy_on_device("cuMemcpy2DAsync", work, stream);
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
        give(target, work);
        note("cuMemsetD8Async size=%zu stream=%llx", size, (unsigned long long)stream);
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
        code = flush(item, 0);
        end(item);
        note("cuStreamDestroy stream=%llx", (unsigned long long)stream);
    } END;
}

int cuStreamSynchronize(uint64_t stream)
{
    BEGIN("cuStreamSynchronize", enter_context) {
        item_t *item = find_stream("cuStreamSynchronize", stream);
        code = item == NULL ? INVALID_HANDLE
            : item->capturer != NULL ? violation(CAPTURE_UNSUPPORTED, "cuStreamSynchronize within a capture")
            : flush(item, 0);
        note("cuStreamSynchronize stream=%llx", (unsigned long long)stream);
    } END;
}

int cuEventCreate(uint64_t *event, unsigned flags)
{
    BEGIN("cuEventCreate", enter_context) {
        item_t *item = add(EVENT, 0);
        item->flags = flags;
        *event = item->handle;
        note("cuEventCreate flags=%u", flags);
    } END;
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
        item_t *item = find(EVENT, event), *target = find_any_stream(stream);
        if (item == NULL || target == NULL) {
            code = INVALID_HANDLE;
            break;
        }
        if (target->capturer != NULL) {
            code = violation(CAPTURE_UNSUPPORTED, "cuEventRecord within a capture");
            break;
        }
        work_t *work = new_work(EVENT_RECORD);
        work->event = event;
        work->stamp = item->recorded = ++stamps;
        item->stream = stream;
        give(target, work);
    } END;
}

int cuStreamWaitEvent(uint64_t stream, uint64_t event, unsigned flags)
{
    BEGIN("cuStreamWaitEvent", enter_context) {
        item_t *item = find(EVENT, event), *target = find_any_stream(stream);
        if (item == NULL || target == NULL || flags != 0) {
            code = INVALID_HANDLE;
            break;
        }
        if (target->capturer != NULL) {
            code = violation(CAPTURE_UNSUPPORTED, "cuStreamWaitEvent within a capture");
            break;
        }
        note("cuStreamWaitEvent stream=%llx event-of=%llx", (unsigned long long)stream,
            (unsigned long long)item->stream);
        if (item->recorded == 0)
            break;
        work_t *work = new_work(EVENT_WAIT);
        work->stream = item->stream;
        work->stamp = item->recorded;
        give(target, work);
    } END;
}

int cuEventSynchronize(uint64_t event)
{
    BEGIN("cuEventSynchronize", enter_uncaptured) {
        item_t *item = find(EVENT, event);
        item_t *stream = item == NULL || item->recorded == 0 ? NULL : find(STREAM, item->stream);
        code = item == NULL ? INVALID_HANDLE : stream == NULL ? SUCCESS : flush(stream, item->recorded);
    } END;
}

/* Every launch takes a millisecond. */
int cuEventElapsedTime(float *milliseconds, uint64_t start, uint64_t stop)
{
    BEGIN("cuEventElapsedTime", enter_context) {
        item_t *first = find(EVENT, start), *last = find(EVENT, stop);
        if (first == NULL || last == NULL || first->recorded == 0 || last->recorded == 0)
            code = INVALID_HANDLE;
        else if (((first->flags | last->flags) & EVENT_WITHOUT_TIME) != 0)
            code = violation(INVALID_HANDLE, "cuEventElapsedTime of an event without time");
        else if (first->reached < first->recorded || last->reached < last->recorded)
            code = NOT_READY;
        else
            *milliseconds = (float)((double)last->time - (double)first->time);
    } END;
}

int cuStreamIsCapturing(uint64_t stream, int *state)
{
    *state = 0;
    BEGIN("cuStreamIsCapturing", enter_context) {
        item_t *item = find_any_stream(stream);
        if (item == NULL)
            code = INVALID_HANDLE;
        else
            *state = item->capturer != NULL;
    } END;
}

int cuStreamBeginCapture_v2(uint64_t stream, int mode)
{
    BEGIN("cuStreamBeginCapture", enter_context) {
        item_t *item = find_stream("cuStreamBeginCapture", stream);
        if (item == NULL || item->capturer != NULL) {
            code = ILLEGAL_STATE;
            break;
        }
        if (mode != CAPTURE_THREAD_LOCAL) {
            code = violation(INVALID_VALUE, "cuStreamBeginCapture would disturb other threads");
            break;
        }
        item->capturer = &self;
        item->is_invalid = 0;
        note("cuStreamBeginCapture stream=%llx", (unsigned long long)stream);
    } END;
}

int cuStreamEndCapture(uint64_t stream, uint64_t *graph)
{
    *graph = 0;
    BEGIN("cuStreamEndCapture", enter_context) {
        item_t *item = find_stream("cuStreamEndCapture", stream);
        if (item == NULL || item->capturer != &self) {
            code = violation(ILLEGAL_STATE, "cuStreamEndCapture of a stream that this thread does not capture");
            break;
        }
        item->capturer = NULL;
        note("cuStreamEndCapture stream=%llx", (unsigned long long)stream);
        if (item->is_invalid) {
            drop_all(&item->captured);
            code = CAPTURE_INVALIDATED;
            break;
        }
        item_t *added = add(GRAPH, 0);
        added->works = item->captured;
        item->captured = (works_t){ NULL, NULL };
        *graph = added->handle;
    } END;
}

int cuGraphInstantiateWithFlags(uint64_t *executable, uint64_t graph, uint64_t flags)
{
    *executable = 0;
    BEGIN("cuGraphInstantiate", enter_uncaptured) {
        item_t *item = find(GRAPH, graph);
        if (item == NULL || flags != 0) {
            code = INVALID_VALUE;
            break;
        }
        item_t *added = add(EXECUTABLE, 0);
        append_copies(&added->works, &item->works);
        *executable = added->handle;
        note("cuGraphInstantiate");
    } END;
}

int cuGraphLaunch(uint64_t executable, uint64_t stream)
{
    BEGIN("cuGraphLaunch", enter_context) {
        item_t *item = find(EXECUTABLE, executable), *target = find_stream("cuGraphLaunch", stream);
        if (item == NULL || target == NULL) {
            code = violation(INVALID_VALUE, "cuGraphLaunch of a graph that is none");
            break;
        }
        int count = 0;
        for (work_t *work = item->works.first; work != NULL; work = work->next) {
            if (work->kind == LAUNCH && find(MODULE, work->module_handle) == NULL)
                code = violation(INVALID_VALUE, "cuGraphLaunch of a kernel that was unloaded");
            count += work->kind == LAUNCH;
        }
        if (code != SUCCESS)
            break;
        append_copies(&target->works, &item->works);
        note("cuGraphLaunch launches=%d stream=%llx", count, (unsigned long long)stream);
    } END;
}

static int destroy_graph(const char *call, kind_t kind, uint64_t handle)
{
    pthread_mutex_lock(&lock);
    item_t *item = current() == 0 ? NULL : find(kind, handle);
    int code = SUCCESS;
    if (item == NULL)
        code = violation(INVALID_VALUE, "%s of a graph that is none", call);
    else
        end(item);
    pthread_mutex_unlock(&lock);
    return code;
}

int cuGraphDestroy(uint64_t graph)
{
    return destroy_graph("cuGraphDestroy", GRAPH, graph);
}

int cuGraphExecDestroy(uint64_t executable)
{
    return destroy_graph("cuGraphExecDestroy", EXECUTABLE, executable);
}

int cuModuleLoadDataEx(uint64_t *module, const char *text, unsigned option_count, const int *options, void **values)
{
    BEGIN("cuModuleLoadDataEx", enter_uncaptured) {
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
    BEGIN("cuModuleUnload", enter_uncaptured) {
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

/* ILGPU asks for more when it starts its own CUDA support. */
int cuCtxSetCurrent(uint64_t context)
{
    pthread_mutex_lock(&lock);
    int code = SUCCESS;
    current();
    if (!serves_ilgpu) {
        code = violation(INVALID_VALUE, "cuCtxSetCurrent changes a thread's context for good");
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
    BEGIN("cuCtxSynchronize", enter_context) { code = flush_all(); } END;
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

/* A CUDA driver without a GPU, for tests. It behaves like the laziest driver that the documentation permits: it
 * performs a copy or a launch only when something waits for it, in the order of its stream. Memory that is reused or
 * freed too early therefore shows, and so does a missing order between two streams. Device memory is host memory, or
 * memory of the backing that a test attaches (mock_attach); the backing also runs the kernels.
 *
 * The mock refuses each use that a real driver refuses: launches beyond the limits of the kernel or the device, PTX for
 * newer devices or drivers, what a capture forbids. It records as a violation each use that a real driver would punish
 * later and each use that the library promises to avoid: the NULL stream, pageable memory in an asynchronous copy, a
 * call without a context. It logs every call, and a test can make any call fail. */
#pragma once
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NO_DEVICE = 100, INVALID_DEVICE = 101, INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201, NO_BINARY_FOR_GPU = 209, INVALID_PTX = 218, JIT_COMPILER_NOT_FOUND = 221,
    UNSUPPORTED_PTX_VERSION = 222, INVALID_HANDLE = 400, ILLEGAL_STATE = 401, NOT_SUPPORTED = 801, NOT_FOUND = 500, NOT_READY = 600,
    OUT_OF_RESOURCES = 701, CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901, CAPTURE_IMPLICIT = 906
};

enum { MAX_ITEMS = 1 << 16, MAX_DEVICES = 8, MAX_FAULTS = 16, MAX_STACK = 16 };

typedef enum { CONTEXT = 1, MEMORY, PINNED, STREAM, EVENT, MODULE, GRAPH, EXECUTABLE, LINK } kind_t;
typedef enum { TO_DEVICE, TO_HOST, ON_DEVICE, CLEAR, LAUNCH, EVENT_RECORD, EVENT_WAIT } work_kind_t;

enum { EVENT_WITHOUT_TIME = 2, NON_BLOCKING = 1 };
typedef enum { CAPTURE_GLOBAL, CAPTURE_THREAD_LOCAL, CAPTURE_RELAXED } capture_mode_t;

typedef struct work {
    work_kind_t kind;
    uint64_t device, host;      /* ON_DEVICE: host is the source */
    size_t size;
    uint64_t event, stamp, stream;
    uint64_t module_handle;
    char *module;
    char entry[256];
    int grid[3], block[3], shared, is_dependent;
    unsigned char *arguments;
    struct work *next;
} work_t;

typedef struct { work_t *first, *last; } works_t;

/* The options of the JIT compiler: CUjit_option and its values, of which some are results. */
typedef struct {
    unsigned count;
    const int *options;
    void **values;
} jit_options_t;

/* The resources of a text's kernel. Without an assembler, registers and local bytes are unknown and 0. */
typedef struct { int registers, shared, local; } resources_t;

/* An entry function. */
typedef struct { long parameter_bytes; int max_threads; } entry_t;

/* What the JIT compiler makes of PTX: machine code that only the mock can load. */
typedef struct {
    char magic[8];
    int architecture, driver_version;
    resources_t resources;
    uint64_t size, hash;        /* of the text */
    char text[];                /* ends with 0 */
} image_t;

typedef struct {
    kind_t kind;
    int is_live;
    uint64_t handle, context;
    size_t size;
    works_t works;              /* STREAM, GRAPH, EXECUTABLE */
    works_t captured;           /* STREAM */
    const void *capturer;       /* STREAM: the thread that captures, or NULL */
    capture_mode_t mode;        /* STREAM: of the capture */
    int is_invalid;             /* STREAM: whether the capture is invalidated */
    uint64_t recorded, reached; /* EVENT: stamps; STREAM: reached is its latest stamp; CONTEXT, MEMORY: recorded is the
                                   index of the device */
    uint64_t stream, time;      /* EVENT */
    unsigned flags;             /* EVENT, STREAM */
    int retained;               /* CONTEXT: its reference count if it is primary */
    char *text;                 /* MODULE, LINK: the PTX */
    image_t *image;             /* LINK: the result */
    jit_options_t options;      /* LINK */
    resources_t resources;      /* MODULE, LINK */
} item_t;

typedef struct {
    char name[64];
    int architecture, multiprocessors, compute_mode;
    uint64_t total, used;
    unsigned char uuid[16];
    int shared;                 /* that a block can have; 0 for that of the architecture */
} device_t;

typedef struct {
    uint64_t (*allocate)(size_t size);
    void (*release)(uint64_t address);
    void (*write)(uint64_t destination, const void *source, size_t size);
    void (*read)(void *destination, uint64_t source, size_t size);
    int (*launch)(const char *ptx, const char *entry, const int *grid, const int *block, int shared,
        const void *arguments, size_t size, int is_dependent);
} backing_t;

/* Assembles PTX: 1 with the resources, 0 with a message, or -1 if there is no assembler for the architecture. */
typedef int (*assembler_t)(const char *ptx, int architecture, resources_t *resources, char *message, int capacity);

typedef struct {
    char call[64];
    int after, code, is_sticky;
} fault_t;

/* The library exports only the driver's functions and mock_*. */
#pragma GCC visibility push(hidden)

/* objects.c */
extern pthread_mutex_t lock;            /* held by every call of the driver */
extern item_t items[MAX_ITEMS];
extern int item_count;
extern fault_t faults[MAX_FAULTS];
extern int fault_count;
extern int sticky;                      /* the code of the error that ended the context, or 0 */
extern char *log_text;
extern size_t log_size;
extern int violation_count;
extern char last_violation[512];
extern __thread uint64_t stack[MAX_STACK]; /* the contexts of this thread, the current one last */
extern __thread int depth;
extern __thread char self;              /* its address identifies the thread */
extern unsigned generations;            /* counts resets, after which the stacks of all threads are empty */

void note(const char *format, ...);
int violation(int code, const char *format, ...);
uint64_t current(void);
int context_captures(int only_blocking, int is_spoiled);
int enter(const char *call);
int enter_context(const char *call);
int enter_uncaptured(const char *call);
item_t *add(kind_t kind, uint64_t handle);
item_t *find(kind_t kind, uint64_t handle);
item_t *find_range(kind_t kind, uint64_t address, size_t size);
item_t *find_stream(const char *call, uint64_t handle);
item_t *find_any_stream(uint64_t handle);
void end(item_t *item);
int counts(const item_t *item);

/* work.c */
extern backing_t backing;
extern uint64_t launches;               /* performed so far: the clock of the mock */

work_t *new_work(work_kind_t kind);
int give(item_t *stream, work_t *work);
void append_copies(works_t *works, const works_t *source);
void drop(work_t *work);
void drop_all(works_t *works);
int flush(item_t *stream, uint64_t until);
int flush_all(void);

/* devices.c */
extern device_t devices[MAX_DEVICES];
extern int device_count, driver_version;
extern int serves_ilgpu;

device_t *current_device(int *index);
int optin_shared(const device_t *device);

/* jit.c */
extern const char magic[8];            /* how an image starts */
extern int jit_count;                   /* PTX texts compiled since the reset */
extern int jit_milliseconds;            /* the time that compiling a text takes */
extern int has_no_jit;                  /* whether the driver lacks its compiler */
extern assembler_t assembler;

int compile(const char *text, int architecture, const jit_options_t *options, resources_t *resources);
int read_image(const void *image, int architecture, const char **text, resources_t *resources);

/* ptx.c */
int check_header(const char *text, int architecture, char *message, size_t capacity);
int read_entry(const char *text, const char *name, entry_t *entry);
int declared_shared(const char *text);

/* modules.c */
extern int function_count, module_load_count;

#pragma GCC visibility pop

/* The frame of a driver's function: it holds the lock, and its body runs unless the call must fail at once. */
#define BEGIN(call, begin) \
    pthread_mutex_lock(&lock); \
    int code = begin(call); \
    if (code == SUCCESS) do
#define END \
    while (0); \
    pthread_mutex_unlock(&lock); \
    return code

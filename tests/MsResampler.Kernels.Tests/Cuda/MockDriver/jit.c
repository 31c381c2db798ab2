/* The JIT compiler: compiling PTX, and the linker's calls, which return the machine code. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mock.h"

enum {
    JIT_WALL_TIME = 2, JIT_INFO_LOG = 3, JIT_INFO_LOG_BYTES = 4, JIT_ERROR_LOG = 5, JIT_ERROR_LOG_BYTES = 6,
    JIT_TARGET = 9, INPUT_PTX = 1
};

const char magic[8] = "MOCKBIN";
int jit_count, jit_milliseconds, has_no_jit;
assembler_t assembler;

/* The place of an option's value, or NULL. */
static void **value_of(const jit_options_t *options, int option)
{
    for (unsigned index = 0; index < options->count; index++)
        if (options->options[index] == option)
            return &options->values[index];
    return NULL;
}

/* Writes a log. The driver replaces the size of the buffer by that of the log. */
static void write_log(const jit_options_t *options, int log, int log_bytes, const char *text)
{
    void **buffer = value_of(options, log), **size = value_of(options, log_bytes);
    if (buffer == NULL || size == NULL || (size_t)*size == 0)
        return;
    snprintf(*buffer, (size_t)*size, "%s", text);
    *size = (void *)strlen(*buffer);
}

/* Compiles PTX. The compiler does not hold the driver's lock: other threads may compile and call the driver. The
 * assembler of the tests caches its results, because tests load the same texts hundreds of times. */
int compile(const char *text, int architecture, const jit_options_t *options, resources_t *resources)
{
    if (has_no_jit)
        return JIT_COMPILER_NOT_FOUND;
    jit_count++;
    char message[1024];
    int code = check_header(text, architecture, message, sizeof message);
    int milliseconds = jit_milliseconds, result = -1;
    pthread_mutex_unlock(&lock);
    struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000L };
    nanosleep(&time, NULL);
    if (code == SUCCESS && assembler != NULL)
        result = assembler(text, architecture, resources, message, sizeof message);
    pthread_mutex_lock(&lock);
    if (result == 0)
        code = INVALID_PTX;
    else if (result == -1)
        *resources = (resources_t){ 0, declared_shared(text), 0 };
    void **wall_time = value_of(options, JIT_WALL_TIME);
    if (wall_time != NULL) {
        float value = (float)milliseconds;
        memcpy(wall_time, &value, sizeof value);
    }
    if (code != SUCCESS) {
        write_log(options, JIT_ERROR_LOG, JIT_ERROR_LOG_BYTES, message);
        return code;
    }
    snprintf(message, sizeof message, "ptxas info    : compiled for 'sm_%d'\n", architecture);
    write_log(options, JIT_INFO_LOG, JIT_INFO_LOG_BYTES, message);
    return SUCCESS;
}

static uint64_t hash_of(const char *text)
{
    uint64_t hash = 14695981039346656037u;
    for (; *text != 0; text++)
        hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    return hash;
}

/* Checks machine code and finds its PTX. A device runs code of its own major version that is not newer. The mock
 * cannot run real machine code, which is in the ELF format. */
int read_image(const void *data, int architecture, const char **text, resources_t *resources)
{
    const image_t *image = data;
    if (memcmp(data, "\x7f" "ELF", 4) == 0)
        return NO_BINARY_FOR_GPU;
    if (strnlen(image->text, image->size + 1) != image->size || hash_of(image->text) != image->hash
        || image->driver_version > driver_version)
        return INVALID_IMAGE;
    if (image->architecture / 10 != architecture / 10 || image->architecture > architecture)
        return NO_BINARY_FOR_GPU;
    *text = image->text;
    *resources = image->resources;
    return SUCCESS;
}

int cuLinkCreate_v2(unsigned option_count, const int *options, void **values, uint64_t *link)
{
    BEGIN("cuLinkCreate", enter_context) {
        item_t *item = add(LINK, 0);
        item->options = (jit_options_t){ option_count, options, values };
        *link = item->handle;
        note("cuLinkCreate");
    } END;
}

int cuLinkAddData_v2(uint64_t link, int type, const char *data, size_t size, const char *name, unsigned option_count,
    const int *options, void **values)
{
    (void)name, (void)options, (void)values;
    BEGIN("cuLinkAddData", enter_context) {
        item_t *item = find(LINK, link);
        if (item == NULL) {
            code = violation(INVALID_HANDLE, "cuLinkAddData to an unknown link");
            break;
        }
        if (type != INPUT_PTX || item->text != NULL || option_count != 0 || size == 0 || data[size - 1] != 0) {
            code = violation(INVALID_VALUE, "cuLinkAddData of other data than one text of PTX that ends with 0");
            break;
        }
        int index;
        void **target = value_of(&item->options, JIT_TARGET);
        item->size = target == NULL ? (size_t)current_device(&index)->architecture : (size_t)*target;
        item->text = strdup(data);
        note("cuLinkAddData size=%zu architecture=%zu", size, item->size);
        code = compile(item->text, (int)item->size, &item->options, &item->resources);
    } END;
}

int cuLinkComplete(uint64_t link, void **result, size_t *size)
{
    BEGIN("cuLinkComplete", enter_context) {
        item_t *item = find(LINK, link);
        if (item == NULL || item->text == NULL || item->image != NULL) {
            code = violation(INVALID_VALUE, "cuLinkComplete of a link that is unknown, empty or complete");
            break;
        }
        size_t length = strlen(item->text);
        *size = sizeof(image_t) + length + 1;
        /* The same text gives the same bytes, between the fields too. */
        item->image = calloc(1, *size);
        memcpy(item->image->magic, magic, sizeof magic);
        item->image->architecture = (int)item->size;
        item->image->driver_version = driver_version;
        item->image->resources = item->resources;
        item->image->size = length;
        item->image->hash = hash_of(item->text);
        memcpy(item->image->text, item->text, length + 1);
        *result = item->image;
        note("cuLinkComplete size=%zu", *size);
    } END;
}

/* Destroys the result too. */
int cuLinkDestroy(uint64_t link)
{
    pthread_mutex_lock(&lock);
    item_t *item = current() == 0 ? NULL : find(LINK, link);
    int code = SUCCESS;
    if (item == NULL)
        code = violation(INVALID_HANDLE, "cuLinkDestroy of an unknown link");
    else
        end(item);
    pthread_mutex_unlock(&lock);
    return code;
}

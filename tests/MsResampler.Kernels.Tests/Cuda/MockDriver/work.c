/* The queued work of streams and its execution. */
#include <stdlib.h>
#include <string.h>

#include "mock.h"

backing_t backing;
uint64_t launches;

static int perform(work_t *work);

static void append(works_t *works, work_t *work)
{
    if (works->last != NULL)
        works->last->next = work;
    else
        works->first = work;
    works->last = work;
}

/* Queues work on a stream. A stream that captures records it instead, and refuses it if the capture is invalid. */
int give(item_t *stream, work_t *work)
{
    append(stream->capturer != NULL ? &stream->captured : &stream->works, work);
    return stream->capturer != NULL && stream->is_invalid ? CAPTURE_INVALIDATED : SUCCESS;
}

work_t *new_work(work_kind_t kind)
{
    work_t *work = calloc(1, sizeof *work);
    work->kind = kind;
    return work;
}

void append_copies(works_t *works, const works_t *source)
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

void drop(work_t *work)
{
    free(work->module);
    free(work->arguments);
    free(work);
}

void drop_all(works_t *works)
{
    while (works->first != NULL) {
        work_t *work = works->first;
        works->first = work->next;
        drop(work);
    }
    works->last = NULL;
}

/* Performs a stream's work in order; with a stamp, only until the stream has reached it. */
int flush(item_t *stream, uint64_t until)
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

int flush_all(void)
{
    int code = SUCCESS;
    for (int index = 0; index < item_count; index++)
        if (items[index].is_live && items[index].kind == STREAM && items[index].context == current())
            code = flush(&items[index], 0);
    return code;
}

static int copy_on_device(work_t *work)
{
    if (find_range(MEMORY, work->host, work->size) == NULL || find_range(MEMORY, work->device, work->size) == NULL)
        return violation(700, "a copy within the device uses memory that was freed");
    if (backing.read == NULL) {
        memcpy((void *)work->device, (void *)work->host, work->size);
        return SUCCESS;
    }
    void *content = malloc(work->size);
    backing.read(content, work->host, work->size);
    backing.write(work->device, content, work->size);
    free(content);
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
        return copy_on_device(work);
    case CLEAR:
        return clear(work);
    case LAUNCH:
        launches++;
        return backing.launch == NULL ? SUCCESS : backing.launch(work->module, work->entry, work->grid, work->block,
            work->shared, work->arguments, work->size, work->is_dependent);
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

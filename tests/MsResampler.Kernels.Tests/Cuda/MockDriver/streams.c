/* Streams and events. */
#include "mock.h"

static uint64_t stamps;

int cuStreamCreate(uint64_t *stream, unsigned flags)
{
    BEGIN("cuStreamCreate", enter_context) {
        item_t *item = add(STREAM, 0);
        item->flags = flags;
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
    BEGIN("cuStreamSynchronize", enter_uncaptured) {
        item_t *item = find_stream("cuStreamSynchronize", stream);
        if (item != NULL && item->capturer != NULL)
            item->is_invalid = 1;
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
            code = violation(INVALID_HANDLE, "cuEventDestroy of an unknown event");
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
        if (stream == 0 && context_captures(1, 1)) {
            code = CAPTURE_IMPLICIT;
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
        code = give(target, work);
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
        if (stream == 0 && context_captures(1, 1)) {
            code = CAPTURE_IMPLICIT;
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
        code = give(target, work);
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

/* The clock of the mock advances by one millisecond per launch. */
int cuEventElapsedTime(float *milliseconds, uint64_t start, uint64_t stop)
{
    BEGIN("cuEventElapsedTime", enter_context) {
        item_t *first = find(EVENT, start), *last = find(EVENT, stop);
        if (first == NULL || last == NULL || first->recorded == 0 || last->recorded == 0)
            code = INVALID_HANDLE;
        else if (((first->flags | last->flags) & EVENT_WITHOUT_TIME) != 0)
            code = violation(INVALID_HANDLE, "cuEventElapsedTime of an event created without timing");
        else if (first->reached < first->recorded || last->reached < last->recorded)
            code = NOT_READY;
        else
            *milliseconds = (float)((double)last->time - (double)first->time);
    } END;
}

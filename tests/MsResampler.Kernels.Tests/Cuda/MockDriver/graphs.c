/* Graphs: capturing a stream, instantiating and launching. */
#include <stddef.h>

#include "mock.h"

int cuStreamIsCapturing(uint64_t stream, int *state)
{
    *state = 0;
    BEGIN("cuStreamIsCapturing", enter_context) {
        item_t *item = find_any_stream(stream);
        if (item == NULL)
            code = INVALID_HANDLE;
        else if (stream == 0 && context_captures(1, 0))
            code = CAPTURE_IMPLICIT;
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
        item->capturer = &self;
        item->mode = (capture_mode_t)mode;
        item->is_invalid = 0;
        note("cuStreamBeginCapture mode=%d stream=%llx", mode, (unsigned long long)stream);
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
            code = violation(INVALID_VALUE, "cuGraphLaunch of an unknown graph");
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
        if (target->capturer != NULL) {
            code = violation(CAPTURE_UNSUPPORTED, "cuGraphLaunch within a capture");
            break;
        }
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
        code = violation(INVALID_VALUE, "%s of an unknown graph", call);
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

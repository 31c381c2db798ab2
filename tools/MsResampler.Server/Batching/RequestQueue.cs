using MsResampler.Server.Metrics;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Batching;

/// <summary>The requests of a model from their arrival to their answers: admits them, forms batches from them, and sets
/// each outcome exactly once. All members are thread-safe.</summary>
/// <remarks>A request occupies a place from its arrival until its last group is in a batch. The threads that compute
/// pin a request while they read its features or write its answer; it ends when it has an outcome and no pins, so that
/// its memory is free afterwards.</remarks>
internal sealed class RequestQueue : IDisposable
{
    /// <summary>A client may occupy this many times the number of free places: one that floods the server leaves a
    /// quarter of the queue to others, and two leave a seventh.</summary>
    private const int ShareFactor = 3;

    private readonly object _lock = new();
    private readonly FairQueue<PendingRequest> _ready = new();
    private readonly LinkedList<PendingRequest> _byAge = [];
    private readonly HashSet<PendingRequest> _open = [];
    private readonly Dictionary<string, int> _placesByClient = [];
    private readonly TaskCompletionSource _isDrained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly int _capacity;
    private readonly int _batchSize;
    private readonly long _maxBatchPatches;
    private readonly TimeSpan _batchDelay;
    private readonly TimeProvider _time;
    private readonly ServiceTime _serviceTime;
    private readonly ITimer _timer;
    private int _placeCount;
    private long _readyGroupCount;
    private double _readyCost;
    private bool _isDraining;
    private Func<ServerException>? _refusal;

    /// <param name="capacity">The largest number of requests that wait.</param>
    /// <param name="batchSize">The largest number of groups of a batch.</param>
    /// <param name="maxBatchPatches">The largest number of patches of a batch of more than one group.</param>
    /// <param name="batchDelay">The longest time that a request waits for its batch to fill while a thread is
    /// idle.</param>
    /// <param name="serviceTime">The time per patch.</param>
    /// <param name="time">The clock.</param>
    public RequestQueue(int capacity, int batchSize, long maxBatchPatches, TimeSpan batchDelay,
        ServiceTime serviceTime, TimeProvider time)
    {
        (_capacity, _batchSize, _maxBatchPatches, _batchDelay) = (capacity, batchSize, maxBatchPatches, batchDelay);
        (_serviceTime, _time) = (serviceTime, time);
        _timer = time.CreateTimer(_ => Wake(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>The number of requests that wait.</summary>
    public int Length
    {
        get
        {
            lock (_lock)
                return _placeCount;
        }
    }

    /// <summary>The number of requests that batches can take groups of.</summary>
    public int ReadyCount
    {
        get
        {
            lock (_lock)
                return _ready.Count;
        }
    }

    /// <summary>Ends when no request is left after <see cref="Drain"/>.</summary>
    public Task Drained => _isDrained.Task;

    /// <summary>Gives a request a place.</summary>
    /// <exception cref="ServerException">The queue is full, or the client has its share
    /// (<see cref="ErrorKind.Busy"/>); or no request is accepted any more
    /// (<see cref="ErrorKind.Unavailable"/>).</exception>
    public void Admit(PendingRequest request)
    {
        string client = request.Request.Client;
        lock (_lock)
        {
            if (_refusal is not null)
                throw _refusal();
            int free = _capacity - _placeCount;
            int own = _placesByClient.GetValueOrDefault(client);
            if (own + 1 > (long)ShareFactor * free)
            {
                throw Busy(free == 0 ? $"the queue is full: {_placeCount} requests wait; try again later"
                    : $"{own} requests of this client wait, which is its share of the queue while {free} places are " +
                        "free; try again later");
            }

            _placeCount++;
            _placesByClient[client] = own + 1;
            request.HasPlace = true;
            _open.Add(request);
        }
    }

    /// <summary>Lets batches take groups of a request; without effect if it has failed.</summary>
    public void Enqueue(PendingRequest request)
    {
        lock (_lock)
        {
            if (request.Failure is not null)
                return;
            request.ReadyTime = _time.GetTimestamp();
            request.AgePlace = _byAge.AddLast(request);
            request.Place = _ready.Add(request.Request.Client, request);
            _readyGroupCount += request.GroupCount;
            for (int group = 0; group < request.GroupCount; group++)
                _readyCost += request.CostOf(group);
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Waits for requests and forms a batch.</summary>
    /// <returns>The batch, whose slices are pinned; null after the last one.</returns>
    public Batch? Take()
    {
        lock (_lock)
        {
            while (true)
            {
                if (_byAge.First is { } oldest)
                {
                    TimeSpan rest = _batchDelay - _time.GetElapsedTime(oldest.Value.ReadyTime);
                    if (_readyGroupCount >= _batchSize || _isDraining || rest <= TimeSpan.Zero)
                        return Form();
                    _timer.Change(rest, Timeout.InfiniteTimeSpan);
                }
                else if (_isDraining && _open.Count == 0)
                {
                    return null;
                }

                Monitor.Wait(_lock);
            }
        }
    }

    /// <summary>Frees the features of slices that were copied.</summary>
    public void Unpin(Batch batch)
    {
        lock (_lock)
        {
            foreach (BatchSlice slice in batch.Slices)
                Unpin(slice);
        }
    }

    /// <summary>Pins a slice again to write its answer.</summary>
    /// <returns>Whether the request waits for it.</returns>
    public bool TryPin(BatchSlice slice)
    {
        lock (_lock)
        {
            if (slice.Request.Failure is not null)
                return false;
            if (!slice.IsPinned)
                Pin(slice);
            return true;
        }
    }

    /// <summary>Pins a request for a thread outside batches; without effect if it has failed.</summary>
    /// <returns>Whether it is pinned.</returns>
    public bool TryPin(PendingRequest request)
    {
        lock (_lock)
        {
            if (request.Failure is not null)
                return false;
            request.PinCount++;
            return true;
        }
    }

    /// <summary>Ends <see cref="TryPin(PendingRequest)"/>.</summary>
    public void Unpin(PendingRequest request)
    {
        lock (_lock)
        {
            request.PinCount--;
            EndIfDone(request);
        }
    }

    /// <summary>Counts the groups of a pinned slice as done.</summary>
    public void Complete(BatchSlice slice)
    {
        lock (_lock)
            slice.Request.DoneCount += slice.GroupCount;
    }

    /// <summary>Ends a batch: unpins its slices, and sets the outcomes of requests that are done.</summary>
    public void End(Batch batch)
    {
        lock (_lock)
        {
            foreach (BatchSlice slice in batch.Slices)
            {
                PendingRequest request = slice.Request;
                request.Batches.Remove(batch);
                request.Times = Add(request.Times, batch.Times);
                Unpin(slice);
                EndIfDone(request);
            }
        }
    }

    /// <summary>Ends a request without an answer: at once, or when its memory is no longer used. A batch that nobody
    /// waits for is cancelled. Without effect if the request has failed or ended.</summary>
    public void Fail(PendingRequest request, Exception failure)
    {
        List<Action> cancellations = [];
        lock (_lock)
            Fail(request, failure, cancellations);
        cancellations.ForEach(cancel => cancel());
    }

    /// <summary>Accepts no more requests; the others are still computed.</summary>
    /// <param name="refusal">Creates the exception for later requests.</param>
    public void Drain(Func<ServerException> refusal)
    {
        lock (_lock)
        {
            _refusal ??= refusal;
            _isDraining = true;
            SignalIfDrained();
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Ends all requests without answers, and accepts no more.</summary>
    /// <param name="refusal">Creates the exception for each request, and for later ones.</param>
    /// <returns>The number of requests that were ended.</returns>
    public int FailAll(Func<ServerException> refusal)
    {
        List<Action> cancellations = [];
        int count = 0;
        lock (_lock)
        {
            _refusal = refusal;
            foreach (PendingRequest request in _open.ToArray())
                if (Fail(request, refusal(), cancellations))
                    count++;
        }

        cancellations.ForEach(cancel => cancel());
        return count;
    }

    /// <summary>The exception for a client that must wait.</summary>
    public ServerException Busy(string message) => new(ErrorKind.Busy, message)
    {
        RetryAfter = _serviceTime.RetryAfter(Volatile.Read(ref _readyCost)),
    };

    public void Dispose() => _timer.Dispose();

    private void Wake()
    {
        lock (_lock)
            Monitor.PulseAll(_lock);
    }

    private Batch Form()
    {
        Batch batch = new();
        while (batch.GroupCount < _batchSize && _ready.Next is { } request)
        {
            int group = request.NextGroup;
            double cost = request.CostOf(group);
            if (batch.GroupCount > 0 && batch.Cost + cost > _maxBatchPatches)
                break;
            batch.Add(request, group);
            bool isLast = ++request.NextGroup == request.GroupCount;
            _ready.Charge(cost, isLast);
            _readyGroupCount--;
            _readyCost -= cost;
            if (isLast)
            {
                request.Place = null;
                LeaveQueue(request);
            }
        }

        long now = _time.GetTimestamp();
        foreach (BatchSlice slice in batch.Slices)
        {
            slice.Request.Start ??= now;
            slice.Request.Batches.Add(batch);
            Pin(slice);
        }

        batch.WantedCount = batch.Slices.Count;
        return batch;
    }

    private bool Fail(PendingRequest request, Exception failure, List<Action> cancellations)
    {
        if (request.Failure is not null || request.HasEnded)
            return false;
        request.Failure = failure;
        if (request.Place is { } place)
        {
            request.Place = null;
            _ready.Remove(place);
            for (; request.NextGroup < request.GroupCount; request.NextGroup++)
            {
                _readyGroupCount--;
                _readyCost -= request.CostOf(request.NextGroup);
            }
        }

        LeaveQueue(request);
        if (request.Decoding is { } decoding)
            cancellations.Add(decoding.Cancel);
        foreach (Batch batch in request.Batches)
            if (--batch.WantedCount == 0)
                cancellations.Add(batch.Cancel);
        EndIfDone(request);
        return true;
    }

    /// <summary>Frees the place of a request, at most once.</summary>
    private void LeaveQueue(PendingRequest request)
    {
        if (request.AgePlace is { } age)
            _byAge.Remove(age);
        request.AgePlace = null;
        if (!request.HasPlace)
            return;
        request.HasPlace = false;
        _placeCount--;
        string client = request.Request.Client;
        if (--_placesByClient[client] == 0)
            _placesByClient.Remove(client);
    }

    private static void Pin(BatchSlice slice)
    {
        slice.IsPinned = true;
        slice.Request.PinCount++;
    }

    private void Unpin(BatchSlice slice)
    {
        if (!slice.IsPinned)
            return;
        slice.IsPinned = false;
        slice.Request.PinCount--;
        EndIfDone(slice.Request);
    }

    private void EndIfDone(PendingRequest request)
    {
        if (request.HasEnded || request.PinCount > 0
            || (request.Failure is null && request.DoneCount < request.GroupCount))
            return;
        _open.Remove(request);
        request.End();
        SignalIfDrained();
        // A thread that waits for the last request to end.
        if (_isDraining)
            Monitor.PulseAll(_lock);
    }

    private void SignalIfDrained()
    {
        if (_isDraining && _open.Count == 0)
            _isDrained.TrySetResult();
    }

    private static RequestTimes Add(RequestTimes sum, RequestTimes times) => sum with
    {
        Input = sum.Input + times.Input,
        Infer = sum.Infer + times.Infer,
        Output = sum.Output + times.Output,
    };
}

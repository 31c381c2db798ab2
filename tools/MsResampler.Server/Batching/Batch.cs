using MsResampler.Server.Metrics;

namespace MsResampler.Server.Batching;

/// <summary>Groups of one or more requests that are computed together.</summary>
#pragma warning disable CA1001 // Its source has no timer and gives out no wait handle: nothing needs disposal.
internal sealed class Batch
#pragma warning restore CA1001
{
    private readonly CancellationTokenSource _cancellation = new();

    /// <summary>The groups, at most one slice per request.</summary>
    public List<BatchSlice> Slices { get; } = [];

    /// <summary>The number of groups of all slices.</summary>
    public int GroupCount { get; private set; }

    /// <summary>The number of patches of all slices.</summary>
    public double Cost { get; private set; }

    /// <summary>The number of slices whose request still waits for them. The lock of the queue guards it.</summary>
    public int WantedCount { get; set; }

    /// <summary>Where the time went.</summary>
    public RequestTimes Times { get; set; }

    /// <summary>Cancelled when no request waits for the batch any more.</summary>
    public CancellationToken Cancellation => _cancellation.Token;

    /// <summary>Adds the next group of a request. The lock of the queue guards it.</summary>
    public void Add(PendingRequest request, int group)
    {
        if (request.LastSlice is { } last && last.Batch == this)
        {
            last.GroupCount++;
        }
        else
        {
            request.LastSlice = new BatchSlice(this, request, group);
            Slices.Add(request.LastSlice);
        }

        GroupCount++;
        Cost += request.CostOf(group);
    }

    /// <summary>Stops the computation.</summary>
    public void Cancel() => _cancellation.Cancel();
}

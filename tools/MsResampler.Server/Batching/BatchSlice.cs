namespace MsResampler.Server.Batching;

/// <summary>Neighbouring groups of one request in a batch.</summary>
/// <param name="batch">The batch.</param>
/// <param name="request">The request.</param>
/// <param name="firstGroup">The first group.</param>
internal sealed class BatchSlice(Batch batch, PendingRequest request, int firstGroup)
{
    /// <summary>The batch.</summary>
    public Batch Batch { get; } = batch;

    /// <summary>The request.</summary>
    public PendingRequest Request { get; } = request;

    /// <summary>The first group, within the request.</summary>
    public int FirstGroup { get; } = firstGroup;

    /// <summary>The number of groups.</summary>
    public int GroupCount { get; set; } = 1;

    /// <summary>Whether the batch counts in <see cref="PendingRequest.PinCount"/>.</summary>
    public bool IsPinned { get; set; }

    /// <summary>Whether the request still waits for these groups; without the lock of the queue it may be
    /// late.</summary>
    public bool IsWanted => Request.Failure is null;
}

using System.Diagnostics;
using MsResampler.Server.Metrics;
using MsResampler.Server.Models;
using MsResampler.Vision;

namespace MsResampler.Server.Batching;

/// <summary>A request from its arrival to its answer. The lock of the <see cref="RequestQueue"/> guards everything that
/// can be set, unless stated otherwise.</summary>
internal sealed class PendingRequest
{
    /// <summary>A picture counts as one patch per 14 × 14 pixels until its grid is known, after encoding.</summary>
    private const int PixelsPerPatch = 14 * 14;

    private readonly TaskCompletionSource<InferenceResult> _outcome
        = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private readonly int[] _firstFeatures;
    private readonly int _featureWidth;

    /// <param name="request">The request.</param>
    /// <param name="featureWidth">C.</param>
    /// <param name="arrival">The time of its arrival.</param>
    public PendingRequest(InferenceRequest request, int featureWidth, long arrival)
    {
        (Request, Arrival, GroupCount) = (request, arrival, request.GroupCount);
        _featureWidth = featureWidth;
        Context = Activity.Current?.Context;
        if (request.Pictures.Count > 0)
        {
            _firstFeatures = [];
            Pictures = new RgbImage?[request.Pictures.Count];
            return;
        }

        _firstFeatures = new int[GroupCount + 1];
        int frame = 0;
        for (int group = 0; group < GroupCount; group++)
        {
            long patchCount = 0;
            for (int last = frame + (request.FrameCounts?[group] ?? 1); frame < last; frame++)
                patchCount += request.Grids[frame].PatchCount;
            _firstFeatures[group + 1] = checked(_firstFeatures[group] + (int)(patchCount * featureWidth));
        }
    }

    /// <summary>The request. Its features are only read while <see cref="PinCount"/> is positive.</summary>
    public InferenceRequest Request { get; }

    /// <summary>The time of its arrival.</summary>
    public long Arrival { get; }

    /// <summary>B, the number of images or of groups.</summary>
    public int GroupCount { get; }

    /// <summary>The activity in which it arrived, or null.</summary>
    public ActivityContext? Context { get; }

    /// <summary>The prepared pictures; null for a request with features. An entry is null before decoding and after
    /// encoding.</summary>
    public RgbImage?[]? Pictures { get; }

    /// <summary>Cancelled when the request has ended before its pictures were decoded.</summary>
    public CancellationTokenSource? Decoding { get; set; }

    /// <summary>Ends with the answer, or without one.</summary>
    public Task<InferenceResult> Outcome => _outcome.Task;

    /// <summary>Whether it occupies a place of the queue.</summary>
    public bool HasPlace { get; set; }

    /// <summary>Its place among the requests that can be computed; null before and afterwards.</summary>
    public FairQueue<PendingRequest>.Place? Place { get; set; }

    /// <summary>Its place in the order of arrival, as long as <see cref="Place"/>.</summary>
    public LinkedListNode<PendingRequest>? AgePlace { get; set; }

    /// <summary>The time since which it can be computed.</summary>
    public long ReadyTime { get; set; }

    /// <summary>The first group that is in no batch yet.</summary>
    public int NextGroup { get; set; }

    /// <summary>The newest slice of it; null before the first batch.</summary>
    public BatchSlice? LastSlice { get; set; }

    /// <summary>The number of groups whose tokens are in the answer.</summary>
    public int DoneCount { get; set; }

    /// <summary>The number of threads and batches that read its features or write its answer.</summary>
    public int PinCount { get; set; }

    /// <summary>The batches in progress that contain groups of it.</summary>
    public List<Batch> Batches { get; } = [];

    /// <summary>Why it has no answer; null as long as it may have one. Read without the lock, it may be
    /// late.</summary>
    public Exception? Failure { get; set; }

    /// <summary>Whether the outcome is set.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>The memory of its answer; null before the first batch. Guarded by the lock of this instance.</summary>
    public Answer? Answer { get; set; }

    /// <summary>The time at which its first batch was formed; null before.</summary>
    public long? Start { get; set; }

    /// <summary>The times of its batches.</summary>
    public RequestTimes Times { get; set; }

    /// <summary>The number of patches of a group.</summary>
    public double CostOf(int group) => Pictures is not null
        ? Math.Max(1, Pictures[group]!.Pixels.Length / (3 * PixelsPerPatch))
        : FeaturesOf(group, 1).Length / _featureWidth;

    /// <summary>The features of neighbouring groups.</summary>
    public ReadOnlyMemory<float> FeaturesOf(int firstGroup, int groupCount)
        => Request.Features[_firstFeatures[firstGroup].._firstFeatures[firstGroup + groupCount]];

    /// <summary>Names a group in a message, as in "image 3 (4x6 patches)".</summary>
    public string Describe(int group) => Pictures is not null ? $"image {group}"
        : Request.Frames.Describe(group, group);

    /// <summary>Sets the outcome, which the caller does once.</summary>
    public void End()
    {
        HasEnded = true;
        if (Failure is null)
        {
            _outcome.SetResult(Answer!.ToResult(GroupCount));
            return;
        }

        Answer?.Dispose();
        _outcome.SetException(Failure);
    }
}

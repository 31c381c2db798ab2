using MsResampler.Vision;

namespace MsResampler.Server.Batching;

/// <summary>Neighbouring groups of a slice whose features are in one piece: all of them, or one picture.</summary>
/// <param name="slice">The slice.</param>
/// <param name="encoded">The encoded picture, which this instance owns; null for features of the request.</param>
internal sealed class BatchPart(BatchSlice slice, EncodedImages? encoded) : IDisposable
{
    private readonly PatchGrid[] _grids = encoded is null ? [] : [encoded.Grid];

    /// <summary>The slice.</summary>
    public BatchSlice Slice { get; } = slice;

    /// <summary>The number of groups.</summary>
    public int GroupCount => encoded is null ? Slice.GroupCount : 1;

    /// <summary>The features, valid while the slice is pinned and this instance is not disposed.</summary>
    public ReadOnlySpan<float> Features => encoded is null
        ? Slice.Request.FeaturesOf(Slice.FirstGroup, Slice.GroupCount).Span : encoded.Features(0);

    /// <summary>The frames of the groups.</summary>
    public FrameGroups Groups => encoded is null ? Slice.Request.Request.Frames.Slice(Slice.FirstGroup,
        Slice.GroupCount) : new FrameGroups(_grids);

    public void Dispose() => encoded?.Dispose();
}

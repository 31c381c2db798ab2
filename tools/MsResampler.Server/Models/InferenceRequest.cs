using MsResampler.Server.Limits;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Models;

/// <summary>A request that was read and checked, whatever protocol it came over. It has either patch features or
/// pictures.</summary>
/// <remarks>Whoever creates it disposes it, after <see cref="ServedModel.InferAsync"/> has ended.</remarks>
internal sealed class InferenceRequest : IDisposable
{
    /// <summary>The identifier that the client gave; null without one.</summary>
    public string? Id { get; init; }

    /// <summary>Who asks: requests of one client share a place in the fair queue.</summary>
    public required string Client { get; init; }

    /// <summary>The patch features of all frames, one after another, each [H·W, C], all finite; empty with
    /// pictures.</summary>
    public ReadOnlyMemory<float> Features { get; init; }

    /// <summary>One patch grid per frame; empty with pictures. They match the features.</summary>
    public PatchGrid[] Grids { get; init; } = [];

    /// <summary>The number of frames of each group; null if every grid is an image.</summary>
    public int[]? FrameCounts { get; init; }

    /// <summary>One temporal id per frame, −1 for none; null without groups.</summary>
    public int[]? TemporalIds { get; init; }

    /// <summary>Encoded pictures; empty with features.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> Pictures { get; init; } = [];

    /// <summary>Whether the answer needs the weights of the gate.</summary>
    public bool WantsGate { get; init; }

    /// <summary>The longest time from now until the answer; null for the limit of the server.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>The outputs in the order of the answer.</summary>
    public IReadOnlyList<RequestedOutput> Outputs { get; init; } = [];

    /// <summary>The memory that the request occupies; freed with the request.</summary>
    public MemoryLease? Memory { get; init; }

    /// <summary>Pooled arrays behind <see cref="Features"/>; freed with the request.</summary>
    public IDisposable? Buffers { get; init; }

    /// <summary>B, the number of images or of groups.</summary>
    public int GroupCount => Pictures.Count > 0 ? Pictures.Count : FrameCounts?.Length ?? Grids.Length;

    /// <summary>The frames of the features as the engine takes them.</summary>
    public FrameGroups Frames => FrameCounts is null ? new FrameGroups(Grids)
        : new FrameGroups(Grids, TemporalIds, FrameCounts);

    public void Dispose()
    {
        Buffers?.Dispose();
        Memory?.Dispose();
    }
}

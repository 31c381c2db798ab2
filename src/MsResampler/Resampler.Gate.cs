using System.Runtime.CompilerServices;

namespace MsResampler;

/// <summary>Calls that also give the weights of the gate.</summary>
public sealed partial class Resampler
{
    /// <summary>The number of gate weights of a batch, groups·M·S·R.</summary>
    /// <param name="groupCount">The number of groups of frames or of images.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number is negative, or so large that no array can hold the
    /// weights.</exception>
    public int GateLength(int groupCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(groupCount);
        Int128 length = GateCountOf(groupCount);
        if (length > Array.MaxLength)
        {
            throw new ArgumentOutOfRangeException(nameof(groupCount), groupCount, $"groupCount: expected at most " +
                $"{Array.MaxLength} gate weights, found {length} ({groupCount} x {DescribeGate()}); use several calls");
        }

        return (int)length;
    }

    /// <summary>Computes the visual tokens of groups of frames, with the weights by which the gate fused the scopes.
    /// The tokens have the bits of every other overload, and the weights those of <see cref="Explanation.Gate"/>, but
    /// no attention is computed for display. The tokens and weights of a group are bit-identical for any batch, any
    /// order of groups and any number of threads.</summary>
    /// <param name="features">The patch features of all frames, one after another, each [H·W, C] row-major,
    /// float32.</param>
    /// <param name="groups">The grids and temporal ids of the frames, and the number of frames of each group, or
    /// images. The spans must not change during the call.</param>
    /// <param name="tokens">Receives [groups, M, L] row-major, float32. Must not overlap <paramref name="features"/>.
    /// Its content is undefined if the call throws, unless stated otherwise.</param>
    /// <param name="gate">Receives the gate weights, [groups, M, S, R] row-major, float32, from 0 to 1. For each query
    /// and gate group they sum to 1 over the scopes; for a model without a gate they are 1.
    /// <see cref="GateLength"/> is its length. Must not overlap <paramref name="features"/> or
    /// <paramref name="tokens"/>. Its content is undefined if the call throws.</param>
    /// <param name="cancellationToken">Checked many times per group. Cancelling a call for one group leaves
    /// <paramref name="tokens"/> unchanged.</param>
    /// <exception cref="ArgumentException">A grid or a group is empty, a temporal id is below −1, a length does not
    /// match, or two of features, tokens and gate weights overlap; nothing was computed.</exception>
    /// <inheritdoc cref="Resample(ReadOnlySpan{float}, FrameGroups, Span{float}, CancellationToken)"/>
    // A `default` in fourth place is a cancellation token, as it was before this overload existed.
    [OverloadResolutionPriority(-1)]
    public void Resample(ReadOnlySpan<float> features, FrameGroups groups, Span<float> tokens, Span<float> gate,
        CancellationToken cancellationToken = default)
        => Resample(features, groups, tokens, gate, givesGate: true, cancellationToken);

    private void Resample(ReadOnlySpan<float> features, FrameGroups groups, Span<float> tokens, Span<float> gate,
        bool givesGate, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        TelemetryOperation operation = StartOperation("resample");
        try
        {
            CheckSizes(groups, features.Length, tokens.Length);
            if (givesGate)
                CheckGate(groups, gate.Length);
            CheckOverlap(nameof(tokens), "tokens", tokens, "features", features);
            CheckOverlap(nameof(gate), "gate weights", gate, "features", features);
            CheckOverlap(nameof(gate), "gate weights", gate, "tokens", tokens);
            _engine.Resample(features, groups, tokens, gate, cancellationToken);
        }
        catch (Exception exception)
        {
            operation.Fail(exception);
            throw;
        }

        operation.Complete(groups.FrameCount, (long)groups.GroupCount * TokenCount);
    }

    private Int128 GateCountOf(int groupCount)
        => (Int128)groupCount * TokenCount * Config.Scopes.Count * Config.GateGroupCount;

    private string DescribeGate() => $"{TokenCount} tokens x {Config.Scopes.Count} " +
        $"scope{(Config.Scopes.Count == 1 ? "" : "s")} x {Config.GateGroupCount} gate " +
        $"group{(Config.GateGroupCount == 1 ? "" : "s")}";

    private void CheckGate(FrameGroups groups, int length)
    {
        Int128 expected = GateCountOf(groups.GroupCount);
        if (length != expected)
        {
            ThrowLength("gate", $"{expected} ({groups.GroupCount} {(groups.AreImages ? "images" : "groups")} x " +
                $"{DescribeGate()})", length);
        }
    }

    private static void CheckOverlap(string name, string what, ReadOnlySpan<float> values, string others,
        ReadOnlySpan<float> otherValues)
    {
        if (values.Overlaps(otherValues))
        {
            throw new ArgumentException($"expected {what} in memory of their own, found them overlapping the " +
                others, name);
        }
    }
}

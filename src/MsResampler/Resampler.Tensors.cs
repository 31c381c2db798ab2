using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Numerics.Tensors;

namespace MsResampler;

/// <summary>Calls with tensors, whose shapes give the patch grids. The images of a batch then have the same
/// grid.</summary>
public sealed partial class Resampler
{
    /// <summary>The number of grids that a call keeps on the stack.</summary>
    private const int MaxGridsOnStack = 128;

    /// <summary>Computes the visual tokens of one image, or of a batch of images with the same patch grid. The tokens
    /// have the bits of every other overload.</summary>
    /// <param name="features">The patch features: [H, W, C] for one image, [B, H, W, C] for a batch, float32. A dense
    /// row-major tensor is read in place; one with other strides, such as a slice or a transposed view, is copied
    /// first, into pooled memory.</param>
    /// <param name="tokens">Receives [M, L] or [B, M, L], float32. A dense row-major tensor is written in place; one
    /// with other strides, such as the places of images in a sequence of embeddings, is written after the call has
    /// succeeded. Must not overlap <paramref name="features"/>.</param>
    /// <param name="cancellationToken">Checked many times per image. Cancelling a call for one image leaves
    /// <paramref name="tokens"/> unchanged.</param>
    /// <exception cref="ArgumentException">The rank or an extent of a tensor is wrong, several elements of the tokens
    /// have the same place, or dense tokens overlap dense features; nothing was computed.</exception>
    /// <inheritdoc cref="Resample(ReadOnlySpan{float}, ReadOnlySpan{PatchGrid}, Span{float}, CancellationToken)"/>
    public void Resample(in ReadOnlyTensorSpan<float> features, in TensorSpan<float> tokens,
        CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        CheckFeatureShape(features, mayBeOneImage: true);
        bool isBatch = features.Rank == 4;
        int imageCount = isBatch ? ExtentOf(features.Lengths, 0) : 1;
        CheckTokenShape(tokens, isBatch ? imageCount : null);
        PatchGrid grid = GridOf(features);
        PatchGrid[]? rented = null;
        Span<PatchGrid> grids = imageCount <= MaxGridsOnStack ? stackalloc PatchGrid[MaxGridsOnStack]
            : rented = ArrayPool<PatchGrid>.Shared.Rent(imageCount);
        try
        {
            grids[..imageCount].Fill(grid);
            ResampleTensors(features, new FrameGroups(grids[..imageCount]), tokens, cancellationToken);
        }
        finally
        {
            if (rented is not null)
                ArrayPool<PatchGrid>.Shared.Return(rented);
        }
    }

    /// <summary>Computes the visual tokens of groups of frames whose patch grids are the same, as in video.</summary>
    /// <param name="features">The patch features of all frames, [frames, H, W, C], float32; strides as in
    /// <see cref="Resample(in ReadOnlyTensorSpan{float}, in TensorSpan{float}, CancellationToken)"/>.</param>
    /// <param name="temporalIds">One temporal id per frame, or −1 for a frame without a time.</param>
    /// <param name="frameCounts">The number of frames of each group.</param>
    /// <param name="tokens">Receives [groups, M, L], float32; strides as in
    /// <see cref="Resample(in ReadOnlyTensorSpan{float}, in TensorSpan{float}, CancellationToken)"/>. Must not overlap
    /// <paramref name="features"/>.</param>
    /// <param name="cancellationToken">Checked many times per group. Cancelling a call for one group leaves
    /// <paramref name="tokens"/> unchanged.</param>
    /// <exception cref="ArgumentException">The rank or an extent of a tensor is wrong, a group is empty, a temporal id
    /// is below −1, several elements of the tokens have the same place, or dense tokens overlap dense features;
    /// nothing was computed.</exception>
    /// <inheritdoc cref="Resample(ReadOnlySpan{float}, FrameGroups, Span{float}, CancellationToken)"/>
    public void Resample(in ReadOnlyTensorSpan<float> features, ReadOnlySpan<int> temporalIds,
        ReadOnlySpan<int> frameCounts, in TensorSpan<float> tokens, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        CheckFeatureShape(features, mayBeOneImage: false);
        CheckTokenShape(tokens, frameCounts.Length);
        int frameCount = ExtentOf(features.Lengths, 0);
        PatchGrid[] rented = ArrayPool<PatchGrid>.Shared.Rent(frameCount);
        try
        {
            Span<PatchGrid> grids = rented.AsSpan(0, frameCount);
            grids.Fill(GridOf(features));
            ResampleTensors(features, new FrameGroups(grids, temporalIds, frameCounts), tokens, cancellationToken);
        }
        finally
        {
            ArrayPool<PatchGrid>.Shared.Return(rented);
        }
    }

    /// <summary>Computes the visual tokens of one image, or of a batch of images with the same patch grid, in a new
    /// tensor.</summary>
    /// <param name="features">The patch features: [H, W, C] for one image, [B, H, W, C] for a batch, float32; strides
    /// as in <see cref="Resample(in ReadOnlyTensorSpan{float}, in TensorSpan{float}, CancellationToken)"/>.</param>
    /// <param name="cancellationToken">Checked many times per image.</param>
    /// <returns>The tokens: [M, L] for one image, [B, M, L] for a batch; dense and row-major.</returns>
    /// <exception cref="ArgumentException">The rank or an extent of the features is wrong, or no array can hold the
    /// tokens; nothing was computed.</exception>
    /// <inheritdoc cref="Resample(ReadOnlySpan{float}, ReadOnlySpan{PatchGrid}, Span{float}, CancellationToken)"/>
    public Tensor<float> Resample(in ReadOnlyTensorSpan<float> features, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        CheckFeatureShape(features, mayBeOneImage: true);
        int imageCount = features.Rank == 4 ? ExtentOf(features.Lengths, 0) : 1;
        float[] values = new float[TokenLength(imageCount)];
        nint[] shape = features.Rank == 4 ? [imageCount, TokenCount, TokenWidth] : [TokenCount, TokenWidth];
        Resample(features, new TensorSpan<float>(values, shape), cancellationToken);
        return Tensor.Create(values, shape);
    }

    /// <summary>Computes in dense memory. Tensors with other strides are copied before and after.</summary>
    private void ResampleTensors(in ReadOnlyTensorSpan<float> features, FrameGroups groups,
        in TensorSpan<float> tokens, CancellationToken cancellationToken)
    {
        bool readsInPlace = TensorLayout.IsRowMajor(features.Lengths, features.Strides);
        bool writesInPlace = TensorLayout.IsRowMajor(tokens.Lengths, tokens.Strides);
        int featureCount = checked((int)features.FlattenedLength);
        int tokenCount = checked((int)tokens.FlattenedLength);
        float[] featureCopy = readsInPlace ? [] : ArrayPool<float>.Shared.Rent(featureCount);
        float[] tokenCopy = writesInPlace ? [] : ArrayPool<float>.Shared.Rent(tokenCount);
        try
        {
            if (!readsInPlace)
                features.FlattenTo(featureCopy.AsSpan(0, featureCount));
            Resample(readsInPlace ? TensorLayout.Values(features) : featureCopy.AsSpan(0, featureCount), groups,
                writesInPlace ? TensorLayout.Values(tokens) : tokenCopy.AsSpan(0, tokenCount), cancellationToken);
            if (!writesInPlace)
                new ReadOnlyTensorSpan<float>(tokenCopy.AsSpan(0, tokenCount), tokens.Lengths).CopyTo(tokens);
        }
        finally
        {
            ArrayPool<float>.Shared.Return(featureCopy);
            ArrayPool<float>.Shared.Return(tokenCopy);
        }
    }

    private void CheckFeatureShape(in ReadOnlyTensorSpan<float> features, bool mayBeOneImage)
    {
        bool hasRank = features.Rank == 4 || (mayBeOneImage && features.Rank == 3);
        if (!hasRank || features.Lengths[^1] != FeatureWidth)
        {
            ThrowShape("features", (mayBeOneImage ? $"[H, W, {FeatureWidth}] or [B" : "[frames") +
                $", H, W, {FeatureWidth}]", features.Lengths);
        }

        if (features.FlattenedLength > Array.MaxLength)
            ThrowShape("features", $"at most {Array.MaxLength} values, in shape", features.Lengths);
    }

    /// <summary>Checks the shape of tokens, and that every element has a place of its own.</summary>
    /// <param name="tokens">The tokens.</param>
    /// <param name="groupCount">The number of images or groups; null for one image without a dimension for it.</param>
    private void CheckTokenShape(in TensorSpan<float> tokens, int? groupCount)
    {
        ReadOnlySpan<nint> expected = groupCount is int count ? [count, TokenCount, TokenWidth]
            : [TokenCount, TokenWidth];
        if (!tokens.Lengths.SequenceEqual(expected))
            ThrowShape("tokens", TensorLayout.Describe(expected), tokens.Lengths);
        if (tokens.FlattenedLength > Array.MaxLength)
            ThrowShape("tokens", $"at most {Array.MaxLength} values, in shape", tokens.Lengths);
        if (TensorLayout.Repeats(tokens.Lengths, tokens.Strides))
        {
            throw new ArgumentException("tokens: expected a place for every element, found a tensor of shape " +
                $"{TensorLayout.Describe(tokens.Lengths)} with strides {TensorLayout.Describe(tokens.Strides)}",
                nameof(tokens));
        }
    }

    /// <summary>The patch grid of features whose last three dimensions are rows, columns and channels.</summary>
    private static PatchGrid GridOf(in ReadOnlyTensorSpan<float> features)
        => new(ExtentOf(features.Lengths, features.Rank - 3), ExtentOf(features.Lengths, features.Rank - 2));

    /// <summary>An extent as an integer of 32 bits. It may be larger only if another one is 0.</summary>
    private static int ExtentOf(ReadOnlySpan<nint> lengths, int dimension)
    {
        if (lengths[dimension] > int.MaxValue)
            ThrowShape("features", $"extents of at most {int.MaxValue}, in shape", lengths);
        return (int)lengths[dimension];
    }

    [DoesNotReturn]
    private static void ThrowShape(string name, string expected, ReadOnlySpan<nint> found)
        => throw new ArgumentException($"{name}: expected a tensor of shape {expected}, found " +
            TensorLayout.Describe(found), name);
}

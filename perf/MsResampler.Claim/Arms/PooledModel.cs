using System.Numerics.Tensors;
using MsResampler.Model;
using MsResampler.Scenes;
using MsResampler.Training;

namespace MsResampler.Claim.Arms;

/// <summary>Average pooling and a perceptron: <c>token = W2·silu(W1·mean(silu(W0·x + b0 + P)) + b1) + b2</c>. The mean
/// is over the patches whose centre is in the cell of a query, and P is the sine–cosine embedding of the patch's
/// place, as a resampler adds it to keys.</summary>
internal sealed class PooledModel : TokenModel
{
    private readonly QueryGrid _queries;
    private readonly PooledSizes _sizes;
    private readonly DenseLayer _patch;
    private readonly DenseLayer _hidden;
    private readonly DenseLayer _output;
    private PooledMemory? _memory;

    public PooledModel(QueryGrid queries, PooledSizes sizes, ulong seed)
    {
        (_queries, _sizes) = (queries, sizes);
        ProductRunner products = ProductRunner.Create();
        _patch = new DenseLayer("pool.patch", sizes.FeatureSize, sizes.Width, seed, products);
        _hidden = new DenseLayer("pool.hidden", sizes.Width, sizes.HiddenWidth, seed, products);
        _output = new DenseLayer("pool.output", sizes.HiddenWidth, sizes.TokenSize, seed, products);
        Tensors = [.. _patch.Tensors, .. _hidden.Tensors, .. _output.Tensors];
    }

    public override IReadOnlyList<TrainableTensor> Tensors { get; }

    public override void Forward(ReadOnlySpan<float> features, PatchGrid grid, int sceneCount, Span<float> tokens)
    {
        PooledMemory memory = _memory is { } last && last.Grid == grid && last.SceneCount >= sceneCount ? last
            : new PooledMemory(grid, sceneCount, _queries, _sizes);
        _memory = memory;
        memory.Active = sceneCount;
        int patchCount = (int)grid.PatchCount;
        int tokenCount = sceneCount * _queries.QueryCount;
        features.CopyTo(memory.Features.Span);
        _patch.Forward(memory.Features, sceneCount * patchCount, memory.PatchSums);
        for (int scene = 0; scene < sceneCount; scene++)
        {
            Span<float> sums = memory.PatchSums.Span.Slice(scene * memory.Positions.Length, memory.Positions.Length);
            TensorPrimitives.Add(sums, memory.Positions, sums);
        }

        Silu.Forward(memory.PatchSums, memory.Patches, sceneCount * memory.Positions.Length);
        memory.Pooled.Span.Clear();
        for (int row = 0; row < sceneCount * patchCount; row++)
        {
            Span<float> pooled = TokenOf(row, memory.Pooled.Span);
            TensorPrimitives.MultiplyAdd(memory.Patches.Span.Slice(row * _sizes.Width, _sizes.Width),
                memory.ShareOf[row % patchCount], pooled, pooled);
        }

        _hidden.Forward(memory.Pooled, tokenCount, memory.HiddenSums);
        Silu.Forward(memory.HiddenSums, memory.Hidden, tokenCount * _sizes.HiddenWidth);
        _output.Forward(memory.Hidden, tokenCount, memory.Tokens);
        memory.Tokens.Span[..(tokenCount * _sizes.TokenSize)].CopyTo(tokens);
    }

    public override void Backward(ReadOnlySpan<float> tokenGradients)
    {
        PooledMemory memory = _memory ?? throw new InvalidOperationException("expected a forward pass before");
        int patchCount = (int)memory.Grid.PatchCount;
        int tokenCount = memory.Active * _queries.QueryCount;
        tokenGradients.CopyTo(memory.Tokens.Span);
        _output.Backward(memory.Tokens, memory.Hidden, tokenCount, memory.HiddenGradients);
        Silu.Backward(memory.HiddenSums, memory.HiddenGradients, tokenCount * _sizes.HiddenWidth);
        _hidden.Backward(memory.HiddenGradients, memory.Pooled, tokenCount, memory.PooledGradients);
        for (int row = 0; row < memory.Active * patchCount; row++)
            TensorPrimitives.Multiply(TokenOf(row, memory.PooledGradients.Span), memory.ShareOf[row % patchCount],
                memory.PatchGradients.Span.Slice(row * _sizes.Width, _sizes.Width));
        Silu.Backward(memory.PatchSums, memory.PatchGradients, memory.Active * memory.Positions.Length);
        _patch.Backward(memory.PatchGradients, memory.Features, memory.Active * patchCount, null);
    }

    // The values of the token that a row of patches belongs to.
    private Span<float> TokenOf(int row, Span<float> tokens)
    {
        (int scene, int patch) = Math.DivRem(row, (int)_memory!.Grid.PatchCount);
        return tokens.Slice(((scene * _queries.QueryCount) + _memory.QueryOf[patch]) * _sizes.Width, _sizes.Width);
    }
}

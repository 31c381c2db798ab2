using MsResampler.Cpu.Integer;
using MsResampler.Cpu.Simd;
using MsResampler.Model;

namespace MsResampler.Cpu;

/// <summary>The weights of one scope in the form that the kernels read. If keys and values are shared, every
/// scope refers to the matrices of scope 0.</summary>
internal sealed unsafe class ScopeOperands<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    private readonly ResamplerConfig _config;
    private readonly Lazy<WeightMatrix[]> _headValues;
    private readonly bool _ownsHeadValues;

    public ScopeOperands(ResamplerConfig config, ScopeWeights weights, double[] normBias,
        ScopeOperands<TSimd, TVector>? first, Func<LinearWeights, ModelLayers, WeightMatrix> pack)
    {
        _config = config;
        bool isShared = config.ShareKeyValues && first is not null;
        // The bias of k_proj adds the same value to every logit of a query, which the softmax removes.
        Keys = isShared ? first!.Keys : pack(weights.KeyProjection with { Bias = null }, ModelLayers.Keys);
        // The other biases are part of the bias of out_proj, see BiasFolding.
        Values = isShared ? first!.Values
            : pack(weights.ValueProjection with { Bias = null }, ModelLayers.Values);
        Output = pack(weights.OutputProjection with { Bias = null }, ModelLayers.Outputs);
        LogSigma = weights.LogSigma?.ToDouble();
        if (config.PositionEmbedding.Queries == PositionEmbeddingType.SinCos2D)
            KeyBias = isShared ? first!.KeyBias : KeyBiasOf(weights.KeyProjection.Bias, normBias);
        _ownsHeadValues = !isShared;
        _headValues = isShared ? first!._headValues : new Lazy<WeightMatrix[]>(SplitValues);
    }

    public WeightMatrix Keys { get; }

    public WeightMatrix Values { get; }

    public WeightMatrix Output { get; }

    /// <summary>Learned log sigma, [A, 2], or null.</summary>
    public double[]? LogSigma { get; }

    /// <summary>The bias of the keys, <c>Wk·ln_kv.bias + k_proj.bias</c>, [D]; null if it is 0 or the same in all
    /// frames of a group, because queries do not depend on the grid.</summary>
    public double[]? KeyBias { get; }

    /// <summary>v_proj, one matrix per head, for absorbed values. Heads of whole panels are in the memory of
    /// <see cref="Values"/>; others are packed when a plan first needs them.</summary>
    public WeightMatrix[] HeadValues => _headValues.Value;

    /// <summary>Memory of <see cref="HeadValues"/> in addition to that of <see cref="Values"/>, in bytes.</summary>
    public long HeadValueBytes
        => _ownsHeadValues && _headValues.IsValueCreated && _config.HeadSize % Values.PanelWidth != 0
            ? _headValues.Value.Sum(head => head.Bytes) : 0;

    private double[]? KeyBiasOf(WeightTensor? bias, double[] normBias)
    {
        double[] sum = Keys.Multiply(normBias);
        double[]? values = bias?.ToDouble();
        for (int channel = 0; channel < sum.Length && values is not null; channel++)
            sum[channel] += values[channel];
        return Array.TrueForAll(sum, value => value == 0) ? null : sum;
    }

    private WeightMatrix[] SplitValues()
    {
        int width = _config.HiddenSize;
        int headSize = _config.HeadSize;
        WeightMatrix[] heads = new WeightMatrix[_config.AttentionHeadCount];
        if (Values is IntegerMatrix integers)
        {
            for (int head = 0; head < heads.Length; head++)
                heads[head] = integers.Columns(head * headSize, headSize);
            return heads;
        }

        if (Values is PackedMatrix values && headSize % values.PanelWidth == 0)
        {
            for (int head = 0; head < heads.Length; head++)
                heads[head] = values.Columns(head * headSize, headSize);
            return heads;
        }

        AlignedBuffer weight = new((long)width * width);
        Values.CopyWeightTo(weight.Pointer);
        for (int head = 0; head < heads.Length; head++)
            heads[head] = PackedMatrix.FromTransposed<TSimd, TVector>(
                weight.Span.Slice(head * headSize * width, headSize * width), headSize, width);
        GC.KeepAlive(weight);
        return heads;
    }
}

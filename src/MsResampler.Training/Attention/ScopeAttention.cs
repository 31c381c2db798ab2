using MsResampler.Cpu.Simd;
using MsResampler.Model;

namespace MsResampler.Training.Attention;

/// <summary>The attention of one scope and its gradients, block by block within the windows.</summary>
internal sealed unsafe class ScopeAttention<TSimd, TVector>(ScopeConfig scope, ResamplerConfig config)
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Floats of scratch memory that a thread needs for a call, for frames of up to this many
    /// patches.</summary>
    public int ScratchCount => throw new NotImplementedException($"{scope} {config}");

    /// <summary>Computes outputs and sums of one head for one group.</summary>
    public void Forward(in HeadGroup group, ReadOnlySpan<HeadFrame> frames, float* scratch)
        => throw new NotImplementedException();

    /// <summary>Computes the gradients of queries, keys, values and log sigma of one head for one group.</summary>
    public void Backward(in HeadGroup group, ReadOnlySpan<HeadFrame> frames, float* scratch)
        => throw new NotImplementedException();
}

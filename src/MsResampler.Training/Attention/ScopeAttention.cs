using MsResampler.Cpu;
using MsResampler.Cpu.Simd;
using MsResampler.Model;

namespace MsResampler.Training.Attention;

/// <summary>The attention of one scope and its gradients, block by block within the windows. A call computes one head
/// of one group of frames on the calling thread; calls for other heads or groups may run at the same time, unless
/// they add to the same gradients.</summary>
internal sealed unsafe class ScopeAttention<TSimd, TVector>(ScopeConfig scope, ResamplerConfig config)
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>The geometry of a grid, which frames of that grid share.</summary>
    public FrameGeometry CreateGeometry(PatchGrid grid) => new(scope, config, grid, CpuEngine<TSimd, TVector>.Costs);

    /// <summary>Floats of scratch memory that a call needs for a frame. A call for several frames needs the largest
    /// of their counts. It grows with H + W, not with the number of patches or queries.</summary>
    public int ScratchCount(FrameGeometry geometry) => throw new NotImplementedException($"{geometry}");

    /// <summary>Computes outputs and sums of one head for one group.</summary>
    /// <param name="group">The operands of the group; gradients are not used.</param>
    /// <param name="frames">Its frames, at least one; gradients are not used.</param>
    /// <param name="scratch">Scratch memory, aligned to 64 bytes.</param>
    public void Forward(in HeadGroup group, ReadOnlySpan<HeadFrame> frames, float* scratch)
        => throw new NotImplementedException();

    /// <summary>Computes the gradients of queries, keys, values and log sigma of one head for one group, with the
    /// results of the forward pass.</summary>
    /// <param name="group">The operands of the group.</param>
    /// <param name="frames">Its frames, at least one.</param>
    /// <param name="scratch">Scratch memory, aligned to 64 bytes.</param>
    public void Backward(in HeadGroup group, ReadOnlySpan<HeadFrame> frames, float* scratch)
        => throw new NotImplementedException();
}

using MsResampler.Model;

namespace MsResampler.Training.Attention;

/// <summary>The windows and biases of one scope on one patch grid.</summary>
internal sealed class FrameGeometry
{
    public FrameGeometry(ScopeConfig scope, QueryGrid queries, PatchGrid grid)
        => Windows = ScopeWindows.Resolve(scope, queries, grid);

    public ScopeWindows Windows { get; }
}

namespace MsResampler.Planning;

/// <summary>The computation for a group of frames.</summary>
/// <param name="Frames">One plan per frame; all have the same strategies.</param>
/// <param name="Stages">Floating-point operations of the whole group per stage.</param>
internal sealed record GroupPlan(IReadOnlyList<ExecutionPlan> Frames, IReadOnlyList<StageCost> Stages)
{
    /// <summary>Operations as executed.</summary>
    public double Flops => Stages.Sum(stage => stage.Flops);
}

namespace MsResampler.Planning;

/// <summary>The computation for images of one patch grid: the strategy and tiles of every scope, and the number
/// of operations. A plan depends only on the model, the grid and the backend's <see cref="CostModel"/>. It does
/// not depend on the batch, and therefore an image's result does not either. A frame of a group is computed like an
/// image, but all frames of the group use the same strategies, see <see cref="GroupPlan"/>.</summary>
/// <param name="Grid">The patch grid.</param>
/// <param name="Scopes">One plan per scope.</param>
/// <param name="Stages">Floating-point operations per image and stage.</param>
/// <param name="Choices">The alternatives that were compared.</param>
internal sealed record ExecutionPlan(PatchGrid Grid, IReadOnlyList<ScopePlan> Scopes, IReadOnlyList<StageCost> Stages,
    IReadOnlyList<StrategyChoice> Choices)
{
    /// <summary>Operations per image as executed.</summary>
    public double Flops => Stages.Sum(stage => stage.Flops);

    /// <summary>Operations per image of the model as written: every patch is projected for every scope, and every
    /// query attends to every patch.</summary>
    public double NaiveFlops => Stages.Sum(stage => stage.NaiveFlops);
}

/// <summary>The operations of one stage for one image.</summary>
/// <param name="Name">One of <see cref="StageNames"/>.</param>
/// <param name="Flops">Operations as executed.</param>
/// <param name="NaiveFlops">Operations of the model as written.</param>
internal sealed record StageCost(string Name, double Flops, double NaiveFlops);

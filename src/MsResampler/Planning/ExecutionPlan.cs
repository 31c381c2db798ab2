namespace MsResampler.Planning;

/// <summary>What is to be computed for images of one patch grid, in which form, and how many operations that takes.
/// It depends on the model, the grid and the backend's <see cref="CostModel"/> alone, never on the batch, so an image's
/// result does not either.</summary>
/// <param name="Grid">The patch grid.</param>
/// <param name="Scopes">One plan per scope.</param>
/// <param name="Stages">Floating-point operations per image by stage, as executed and as the model is written (every
/// patch projected for every scope, every query against every patch).</param>
internal sealed record ExecutionPlan(PatchGrid Grid, IReadOnlyList<ScopePlan> Scopes, IReadOnlyList<StageCost> Stages)
{
    /// <summary>Operations per image as executed.</summary>
    public double Flops => Stages.Sum(stage => stage.Flops);

    /// <summary>Operations per image of the model as written.</summary>
    public double NaiveFlops => Stages.Sum(stage => stage.NaiveFlops);
}

/// <summary>The operations of one stage for one image.</summary>
/// <param name="Name">The stage.</param>
/// <param name="Flops">Operations as executed.</param>
/// <param name="NaiveFlops">Operations of the stage as the model is written.</param>
internal sealed record StageCost(string Name, double Flops, double NaiveFlops);

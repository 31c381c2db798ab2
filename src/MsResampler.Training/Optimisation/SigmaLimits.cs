using System.Numerics.Tensors;
using MsResampler.Model;

namespace MsResampler.Training;

/// <summary>Limits of learned sigmas, in the units of their scope. Below the floor a query sees little more than the
/// nearest patch, and the gradient of its sigma vanishes; above the ceiling the Gaussian is flat over the grid, and so
/// is the loss.</summary>
public sealed record SigmaLimits
{
    // At 4 extents of the grid, the bias of the farthest patch is at most 1/(2·4²) = 1/32 per axis, so that a Gaussian
    // changes weights of attention by at most 6%.
    private const double FlatRatio = 4;

    private const int UsualExtent = 64;

    /// <summary>The smallest sigma of scopes in patches: half a patch. There the weight of the next patch is
    /// exp(−2) = 0.14 of that of the nearest.</summary>
    public double PatchFloor { get; init; } = 0.5;

    /// <summary>The largest sigma of scopes in patches: 4 times the extent of the largest usual grid, 64 patches. See
    /// <see cref="ForGrid"/>.</summary>
    public double PatchCeiling { get; init; } = FlatRatio * UsualExtent;

    /// <summary>The smallest sigma of scopes in fractions of the grid: 1/64, half a patch of a grid of 32.</summary>
    public double FractionFloor { get; init; } = 1.0 / 64;

    /// <summary>The largest sigma of scopes in fractions of the grid: 4.</summary>
    public double FractionCeiling { get; init; } = FlatRatio;

    /// <summary>The default limits for grids of known extents: the ceiling in patches is 4 times the longer
    /// side.</summary>
    /// <param name="largest">The largest grid; rows and columns may be those of different grids.</param>
    public static SigmaLimits ForGrid(PatchGrid largest)
        => new() { PatchCeiling = FlatRatio * Math.Max(largest.Rows, largest.Columns) };

    /// <summary>Limits that include the present sigmas of a model, so that the first step does not move them. Call it
    /// before training, with the weights that training starts from.</summary>
    /// <param name="model">The model.</param>
    public SigmaLimits Including(TrainableModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        SigmaLimits limits = this;
        foreach ((int scope, ScopeConfig config) in model.Config.Scopes.Index())
        {
            if (model.Find(TrainableModel.SigmaName(scope)) is not { } tensor)
                continue;
            double least = Math.Exp(TensorPrimitives.Min<float>(tensor.Values));
            double largest = Math.Exp(TensorPrimitives.Max<float>(tensor.Values));
            limits = config.Units == ScopeUnits.Fraction
                ? limits with
                {
                    FractionFloor = Math.Min(limits.FractionFloor, least),
                    FractionCeiling = Math.Max(limits.FractionCeiling, largest),
                }
                : limits with
                {
                    PatchFloor = Math.Min(limits.PatchFloor, least),
                    PatchCeiling = Math.Max(limits.PatchCeiling, largest),
                };
        }

        return limits;
    }

    /// <summary>Moves every <c>log_sigma</c> of a model that is not frozen into the limits. Call it after each step of
    /// the optimiser.</summary>
    /// <param name="model">The model.</param>
    /// <exception cref="InvalidOperationException">A floor is not above 0, or above its ceiling.</exception>
    public void Apply(TrainableModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        Require(nameof(PatchFloor), PatchFloor, PatchCeiling);
        Require(nameof(FractionFloor), FractionFloor, FractionCeiling);
        foreach ((int scope, ScopeConfig config) in model.Config.Scopes.Index())
        {
            if (model.Find(TrainableModel.SigmaName(scope)) is not { IsFrozen: false } tensor)
                continue;
            (double floor, double ceiling) = config.Units == ScopeUnits.Fraction
                ? (FractionFloor, FractionCeiling) : (PatchFloor, PatchCeiling);
            (float low, float high) = ((float)Math.Log(floor), (float)Math.Log(ceiling));
            foreach (ref float value in tensor.Values)
                value = Math.Clamp(value, low, high);
        }
    }

    /// <inheritdoc/>
    public override string ToString() => FormattableString.Invariant(
        $"{PatchFloor:R} to {PatchCeiling:R} patches, {FractionFloor:R} to {FractionCeiling:R} of the grid");

    private static void Require(string name, double floor, double ceiling)
    {
        if (!(floor > 0 && floor <= ceiling))
            throw new InvalidOperationException(FormattableString.Invariant(
                $"{name}: expected a number above 0 and at most the ceiling {ceiling:R}, found {floor:R}"));
    }
}

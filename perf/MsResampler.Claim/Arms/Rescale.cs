using System.Numerics.Tensors;
using MsResampler.Model;
using MsResampler.Scenes;
using MsResampler.Training;

namespace MsResampler.Claim.Arms;

/// <summary>Changes the units of scopes.</summary>
internal static class Rescale
{
    /// <summary>A copy of a model whose windows and sigmas are in patches. On the grid of scale 1 it computes the same
    /// tokens.</summary>
    public static TrainableModel ToPatches(TrainableModel model)
    {
        PatchGrid grid = SceneLayout.Grid(1);
        ResamplerConfig config = model.Config with
        {
            Scopes = [.. model.Config.Scopes.Select(scope => scope.Units == ScopeUnits.Patches ? scope : scope with
            {
                Units = ScopeUnits.Patches,
                Window = scope.Window is { } window ? new AxisPair(
                    ScopeGeometry.WindowExtent(scope.Units, window.Rows, grid.Rows),
                    ScopeGeometry.WindowExtent(scope.Units, window.Columns, grid.Columns)) : null,
                Sigma = scope.Sigma is { } sigma ? new AxisPair(sigma.Rows * grid.Rows, sigma.Columns * grid.Columns)
                    : null,
            })],
        };
        bool learnsSigmas = model.Tensors.Any(IsSigma);
        TrainableModel copy = TrainableModel.Create(config, seed: 0, learnsSigmas);
        foreach (TrainableTensor tensor in model.Tensors)
        {
            tensor.Values.CopyTo(copy[tensor.Name].Values);
            // The grid is square, so rows and columns have the same factor.
            if (IsSigma(tensor))
                TensorPrimitives.Add(tensor.Values, MathF.Log(grid.Rows), copy[tensor.Name].Values);
        }

        return copy;
    }

    /// <summary>Whether a parameter is a learned sigma.</summary>
    public static bool IsSigma(TrainableTensor tensor)
        => tensor.Name.EndsWith(".log_sigma", StringComparison.Ordinal);
}

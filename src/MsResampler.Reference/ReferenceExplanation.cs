using MathNet.Numerics.LinearAlgebra;

namespace MsResampler.Reference;

/// <summary>The tokens, attention weights and gate weights of one image, or of one group of frames, in double
/// precision.</summary>
public sealed class ReferenceExplanation
{
    private readonly Matrix<double>[][] _attention;

    /// <param name="grids">The grid of each frame.</param>
    /// <param name="attention">The weights of each scope and head, [M, patches of all frames].</param>
    /// <param name="gate">The gate weights, [M, S·R].</param>
    /// <param name="tokens">The tokens, [M, L].</param>
    internal ReferenceExplanation(PatchGrid[] grids, Matrix<double>[][] attention, Matrix<double> gate,
        double[] tokens)
    {
        Grids = grids;
        _attention = attention;
        Gate = gate.ToRowMajorArray();
        Tokens = tokens;
    }

    /// <summary>The patch grid of the image, or of the first frame of the group.</summary>
    public PatchGrid Grid => Grids[0];

    /// <summary>The patch grid of each frame; one for an image.</summary>
    public IReadOnlyList<PatchGrid> Grids { get; }

    /// <summary>Attention weights of one scope, head and frame, [M, N] row-major, where N counts the patches of the
    /// frame. The weights of each query sum to 1 over all frames, and are 0 outside its windows.</summary>
    /// <param name="scopeIndex">The scope.</param>
    /// <param name="headIndex">The head.</param>
    /// <param name="frameIndex">The frame; 0 for an image.</param>
    public double[] Attention(int scopeIndex, int headIndex, int frameIndex = 0)
    {
        Matrix<double> weights = _attention[scopeIndex][headIndex];
        int first = (int)Grids.Take(frameIndex).Sum(grid => grid.PatchCount);
        return weights.SubMatrix(0, weights.RowCount, first, (int)Grids[frameIndex].PatchCount).ToRowMajorArray();
    }

    /// <summary>Gate weights, [M, S, R] row-major; all 1 with one scope.</summary>
    public double[] Gate { get; }

    /// <summary>The tokens, [M, L] row-major.</summary>
    public double[] Tokens { get; }
}

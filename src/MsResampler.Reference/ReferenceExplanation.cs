using MathNet.Numerics.LinearAlgebra;

namespace MsResampler.Reference;

/// <summary>The tokens, attention weights and gate weights of one image, in double precision.</summary>
public sealed class ReferenceExplanation
{
    private readonly Matrix<double>[][] _attention;

    internal ReferenceExplanation(PatchGrid grid, Matrix<double>[][] attention, Matrix<double> gate,
        double[] tokens)
    {
        Grid = grid;
        _attention = attention;
        Gate = gate.ToRowMajorArray();
        Tokens = tokens;
    }

    /// <summary>The patch grid of the image.</summary>
    public PatchGrid Grid { get; }

    /// <summary>Attention weights of one scope and head, [M, N] row-major; 0 outside the window of the
    /// query.</summary>
    /// <param name="scopeIndex">The scope.</param>
    /// <param name="headIndex">The head.</param>
    public double[] Attention(int scopeIndex, int headIndex)
        => _attention[scopeIndex][headIndex].ToRowMajorArray();

    /// <summary>Gate weights, [M, S, R] row-major; all 1 with one scope.</summary>
    public double[] Gate { get; }

    /// <summary>The tokens, [M, L] row-major.</summary>
    public double[] Tokens { get; }
}

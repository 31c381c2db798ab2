using MathNet.Numerics.LinearAlgebra;

namespace MsResampler.Reference;

/// <summary>What one image's tokens were made of, in double precision.</summary>
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

    /// <summary>The image's patch grid.</summary>
    public PatchGrid Grid { get; }

    /// <summary>Attention weights of one scope and head, [M, N] row-major; 0 outside the query's
    /// scope.</summary>
    /// <param name="scopeIndex">The scope.</param>
    /// <param name="headIndex">The head.</param>
    public double[] Attention(int scopeIndex, int headIndex)
        => _attention[scopeIndex][headIndex].ToRowMajorArray();

    /// <summary>Gate weights, [M, S, R] row-major. With one scope they are all 1.</summary>
    public double[] Gate { get; }

    /// <summary>The tokens, [M, L] row-major.</summary>
    public double[] Tokens { get; }
}

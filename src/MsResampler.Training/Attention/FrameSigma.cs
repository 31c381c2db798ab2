using MsResampler.Model;

namespace MsResampler.Training.Attention;

/// <summary>The sigma of one head on the grid of one frame, in patches; infinite without a Gaussian, so that it adds
/// no bias.</summary>
internal readonly record struct FrameSigma(double Rows, double Columns)
{
    /// <param name="scope">The scope.</param>
    /// <param name="group">The operands of the head, with its learned log sigma.</param>
    /// <param name="grid">The patch grid of the frame.</param>
    public static unsafe FrameSigma Of(ScopeConfig scope, in HeadGroup group, PatchGrid grid)
    {
        if (scope.Prior != ScopePrior.Gaussian)
            return new FrameSigma(double.PositiveInfinity, double.PositiveInfinity);
        float* learned = (float*)group.LogSigma;
        (double rows, double columns) = learned == null ? (scope.Sigma!.Value.Rows, scope.Sigma.Value.Columns)
            : (Math.Exp(learned[0]), Math.Exp(learned[1]));
        return scope.Units == ScopeUnits.Fraction ? new FrameSigma(rows * grid.Rows, columns * grid.Columns)
            : new FrameSigma(rows, columns);
    }
}

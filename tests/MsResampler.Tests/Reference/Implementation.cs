namespace MsResampler.Tests.Reference;

/// <summary>The implementation under test.</summary>
public enum Implementation
{
    Reference,
    CpuEngine,
}

/// <summary>The same interface for all implementations.</summary>
internal static class ImplementationExtensions
{
    /// <summary>The tokens of one image, [M, L].</summary>
    public static double[] Resample(this Implementation implementation, TestModel model, float[] features,
        PatchGrid grid)
    {
        if (implementation == Implementation.Reference)
            return model.Reference.Resample(features, grid);
        float[] tokens = new float[model.Model.Config.QueryGrid.QueryCount * model.Model.Config.OutputSize];
        model.Engine.Resample(features, [grid], tokens);
        return Array.ConvertAll(tokens, token => (double)token);
    }

    /// <summary>The attention weights of one scope and head, [M, N].</summary>
    public static double[] Attention(this Implementation implementation, TestModel model, float[] features,
        PatchGrid grid, int scopeIndex, int headIndex) => implementation == Implementation.Reference
            ? model.Reference.Explain(features, grid).Attention(scopeIndex, headIndex)
            : ToDouble(model.Engine.Explain(features, grid).Attention(scopeIndex, headIndex));

    /// <summary>The gate weights, [M, S, R].</summary>
    public static double[] Gate(this Implementation implementation, TestModel model, float[] features,
        PatchGrid grid) => implementation == Implementation.Reference
            ? model.Reference.Explain(features, grid).Gate
            : ToDouble(model.Engine.Explain(features, grid).Gate);

    /// <summary>The allowed relative L2 error against an exact result.</summary>
    public static double Tolerance(this Implementation implementation)
        => implementation == Implementation.Reference
            ? Tolerances.DoublePrecision : Tolerances.SinglePrecision;

    private static double[] ToDouble(ReadOnlySpan<float> values)
        => Array.ConvertAll(values.ToArray(), value => (double)value);
}

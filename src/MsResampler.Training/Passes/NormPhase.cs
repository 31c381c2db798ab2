using MsResampler.Cpu.Simd;
using MsResampler.Training.Products;

namespace MsResampler.Training.Passes;

/// <summary>The gradient of a layer normalisation of rows.</summary>
internal static unsafe class NormPhase<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Adds the phases that compute the gradients of weight and bias.</summary>
    /// <param name="phases">The phases of the pass.</param>
    /// <param name="name">The name of the phase.</param>
    /// <param name="gradient">The gradient of the result, [rows, D].</param>
    /// <param name="normal">The normalised rows before weight and bias.</param>
    /// <param name="rowCount">The number of rows.</param>
    /// <param name="layer">The parameters.</param>
    public static void AddParameters(PhaseList phases, string name, Rows gradient, Rows normal, int rowCount,
        NormLayer layer)
    {
        if (!layer.IsTrained)
            return;
        int count = layer.Weight.Count;
        phases.Add(name, ColumnSums<TSimd, TVector>.TaskCount(count), (task, _) =>
        {
            if (!layer.Weight.IsFrozen)
                ColumnSums<TSimd, TVector>.AddProducts(task, gradient.Start, gradient.Stride, normal.Start,
                    normal.Stride, rowCount, count, layer.Weight.GradientPointer);
            if (!layer.Bias.IsFrozen)
                ColumnSums<TSimd, TVector>.Add(task, gradient.Start, gradient.Stride, rowCount, count,
                    layer.Bias.GradientPointer);
        });
    }

    /// <summary>Adds the phase that replaces the gradient of the result by that of the rows.</summary>
    /// <param name="phases">The phases of the pass.</param>
    /// <param name="name">The name of the phase.</param>
    /// <param name="gradient">The gradient of the result, which is replaced.</param>
    /// <param name="normal">The normalised rows before weight and bias.</param>
    /// <param name="scales">The scale of each row.</param>
    /// <param name="rowCount">The number of rows.</param>
    /// <param name="layer">The parameters.</param>
    public static void AddRows(PhaseList phases, string name, Rows gradient, Rows normal, float* scales, int rowCount,
        NormLayer layer)
        => PassContext.AddRows(phases, name, rowCount, row => RowNorm<TSimd, TVector>.Backward(gradient[row],
            normal[row], scales[row], layer.Weight.Pointer, layer.Weight.Count, gradient[row]));
}

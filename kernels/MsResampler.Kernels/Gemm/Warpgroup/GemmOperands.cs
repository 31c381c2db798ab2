using MsResampler.Kernels.Ptx.Writing;

namespace MsResampler.Kernels.Gemm.Warpgroup;

/// <summary>The parameters of <see cref="GemmWgmma{TTile, TElement, TEpilogue, TOutput}"/>: those of
/// <see cref="GemmMma{TTile, TElement, TEpilogue, TOutput}.Run"/>, and the number of products.</summary>
/// <param name="writer">The writer.</param>
internal sealed class GemmOperands(PtxWriter writer)
{
    private const int VectorBytes = 16;

    /// <summary>A, in vectors.</summary>
    public PtxView A { get; } = writer.View("a", VectorBytes);

    /// <summary>W, in vectors.</summary>
    public PtxView W { get; } = writer.View("w", VectorBytes);

    /// <summary>The bias, in quads of float32.</summary>
    public PtxView Bias { get; } = writer.View("bias", VectorBytes);

    /// <summary>C.</summary>
    public PtxView C { get; } = writer.View("c", elementBytes: 8);

    /// <summary>Sums of squares.</summary>
    public PtxView Squares { get; } = writer.View("squares", sizeof(float));

    /// <summary>Factors of the rows of A.</summary>
    public PtxView Units { get; } = writer.View("units", sizeof(float));

    /// <summary>The table, in quads of float32.</summary>
    public PtxView Table { get; } = writer.View("table", VectorBytes);

    /// <summary>The first quad of each row's row of the table.</summary>
    public PtxView TableStarts { get; } = writer.View("table_starts", sizeof(int));

    /// <summary>The overflow note.</summary>
    public PtxView Note { get; } = writer.View("note", sizeof(int));

    /// <summary>A <see cref="GemmLayout"/>.</summary>
    public PtxStructure Layout { get; } = writer.Structure<GemmLayout>("layout");

    /// <summary>A <see cref="GemmScaling"/>.</summary>
    public PtxStructure Scaling { get; } = writer.Structure<GemmScaling>("scaling");

    /// <summary>Products.</summary>
    public U32 ProductCount { get; } = writer.Integer("product_count");
}

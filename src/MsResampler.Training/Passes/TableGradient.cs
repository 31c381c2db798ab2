using System.Numerics.Tensors;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Training.Passes;

/// <summary>The transpose of <see cref="PositionEmbedding.Resize"/>: from gradients at the patches of a grid to those
/// of the stored table.</summary>
internal static unsafe class TableGradient
{
    /// <summary>Adds the gradients of one frame.</summary>
    /// <param name="gradients">The gradients at the patches, [N, <paramref name="width"/>].</param>
    /// <param name="grid">The patch grid.</param>
    /// <param name="width">Floats of a row that are used.</param>
    /// <param name="sums">The gradients of the table, [M, <paramref name="width"/>], which are added to.</param>
    /// <param name="queries">The query grid, on which the table is stored.</param>
    public static void Add(Rows gradients, PatchGrid grid, int width, Rows sums, QueryGrid queries)
    {
        Span<float> rowWeights = stackalloc float[PositionEmbedding.TapCount];
        Span<float> columnWeights = stackalloc float[PositionEmbedding.TapCount];
        for (int i = 0; i < grid.Rows; i++)
        {
            int firstRow = PositionEmbedding.Taps(i, queries.Rows, grid.Rows, rowWeights);
            for (int j = 0; j < grid.Columns; j++)
            {
                int firstColumn = PositionEmbedding.Taps(j, queries.Columns, grid.Columns, columnWeights);
                ReadOnlySpan<float> gradient = new(gradients[((long)i * grid.Columns) + j], width);
                for (int r = 0; r < rowWeights.Length; r++)
                {
                    int row = Math.Clamp(firstRow + r, 0, queries.Rows - 1);
                    for (int c = 0; c < columnWeights.Length; c++)
                    {
                        int column = Math.Clamp(firstColumn + c, 0, queries.Columns - 1);
                        Span<float> sum = new(sums[(row * queries.Columns) + column], width);
                        TensorPrimitives.MultiplyAdd(gradient, rowWeights[r] * columnWeights[c], sum, sum);
                    }
                }
            }
        }
    }
}

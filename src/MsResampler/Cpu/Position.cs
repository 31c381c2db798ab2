using MsResampler.Model;

namespace MsResampler.Cpu;

/// <summary>Positions: the 2-D sine–cosine embedding, column first, and the bicubic resize of a stored table.</summary>
internal static class Position
{
    /// <summary>Writes the sine–cosine embedding of one position.</summary>
    /// <param name="y">The row, in patches.</param>
    /// <param name="x">The column, in patches.</param>
    /// <param name="destination">[D]; D is a multiple of 4.</param>
    public static void SinCos(double y, double x, Span<float> destination)
    {
        int quarter = destination.Length / 4;
        for (int k = 0; k < quarter; k++)
        {
            double frequency = Math.Pow(10000, -(double)k / quarter);
            (double sinX, double cosX) = Math.SinCos(x * frequency);
            (double sinY, double cosY) = Math.SinCos(y * frequency);
            destination[k] = (float)sinX;
            destination[quarter + k] = (float)cosX;
            destination[(2 * quarter) + k] = (float)sinY;
            destination[(3 * quarter) + k] = (float)cosY;
        }
    }

    /// <summary>Writes the sine–cosine embedding of a query's anchor on a patch grid.</summary>
    /// <param name="query">The query, in row-major order.</param>
    /// <param name="queries">The query grid.</param>
    /// <param name="grid">The patch grid.</param>
    /// <param name="destination">[D]; D is a multiple of 4.</param>
    public static void SinCosAnchor(int query, QueryGrid queries, PatchGrid grid, Span<float> destination)
        => SinCos(ScopeGeometry.Anchor(query / queries.Columns, queries.Rows, grid.Rows),
            ScopeGeometry.Anchor(query % queries.Columns, queries.Columns, grid.Columns), destination);

    /// <summary>Resizes a table stored on the query grid to a patch grid: bicubic with a = −0.75, half-pixel centres,
    /// edges repeated, in single precision; PyTorch's
    /// <c>interpolate(mode="bicubic", align_corners=False)</c>.</summary>
    /// <param name="table">[M, D] on <paramref name="from"/>.</param>
    /// <param name="from">The query grid.</param>
    /// <param name="to">The patch grid.</param>
    /// <param name="destination">[N, D].</param>
    /// <param name="width">D.</param>
    public static void Resize(ReadOnlySpan<float> table, QueryGrid from, PatchGrid to, Span<float> destination,
        int width)
    {
        Span<float> rowWeights = stackalloc float[4];
        Span<float> columnWeights = stackalloc float[4];
        for (int i = 0; i < to.Rows; i++)
        {
            int firstRow = Cubic(i, from.Rows, to.Rows, rowWeights);
            for (int j = 0; j < to.Columns; j++)
            {
                int firstColumn = Cubic(j, from.Columns, to.Columns, columnWeights);
                Span<float> sum = destination.Slice(((i * to.Columns) + j) * width, width);
                sum.Clear();
                for (int r = 0; r < 4; r++)
                {
                    int row = Math.Clamp(firstRow + r, 0, from.Rows - 1);
                    for (int c = 0; c < 4; c++)
                    {
                        int column = Math.Clamp(firstColumn + c, 0, from.Columns - 1);
                        System.Numerics.Tensors.TensorPrimitives.MultiplyAdd(
                            table.Slice(((row * from.Columns) + column) * width, width),
                            rowWeights[r] * columnWeights[c], sum, sum);
                    }
                }
            }
        }
    }

    /// <summary>The four weights of target <paramref name="index"/>, and the index of the first source.</summary>
    private static int Cubic(int index, int sourceCount, int targetCount, Span<float> weights)
    {
        const float A = -0.75f;
        float source = (((float)sourceCount / targetCount) * (index + 0.5f)) - 0.5f;
        int whole = (int)MathF.Floor(source);
        float t = source - whole;
        weights[0] = Far(t + 1);
        weights[1] = Near(t);
        weights[2] = Near(1 - t);
        weights[3] = Far(2 - t);
        return whole - 1;

        static float Near(float x) => ((((A + 2) * x) - (A + 3)) * x * x) + 1;
        static float Far(float x) => (((((A * x) - (5 * A)) * x) + (8 * A)) * x) - (4 * A);
    }
}

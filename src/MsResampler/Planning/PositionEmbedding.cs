using System.Numerics.Tensors;
using MsResampler.Model;

namespace MsResampler.Planning;

/// <summary>Position embeddings of patches and queries: the 2-D sine–cosine embedding, column first, or a table
/// stored in the checkpoint. Every backend uses these values.</summary>
internal static class PositionEmbedding
{
    /// <summary>Sources of a target along an axis when a table is resized.</summary>
    public const int TapCount = 4;

    /// <summary>Writes what each query adds to its normalised row: the stored table, or the sine–cosine
    /// embedding of the query's anchor on the patch grid.</summary>
    /// <param name="type">The source of the positions; not none.</param>
    /// <param name="stored">The stored table, [M, D]; not used for the sine–cosine embedding.</param>
    /// <param name="queries">The query grid.</param>
    /// <param name="grid">The patch grid.</param>
    /// <param name="width">D; a multiple of 4 for the sine–cosine embedding.</param>
    /// <param name="destination">Receives [M, D] row-major, float32.</param>
    public static void OfQueries(PositionEmbeddingType type, ReadOnlySpan<float> stored, QueryGrid queries,
        PatchGrid grid, int width, Span<float> destination)
    {
        if (type == PositionEmbeddingType.Stored)
            stored.CopyTo(destination);
        else
            SinCosGrid(queries.Rows, queries.Columns, row => ScopeGeometry.Anchor(row, queries.Rows, grid.Rows),
                column => ScopeGeometry.Anchor(column, queries.Columns, grid.Columns), width, width, destination);
    }

    /// <summary>Writes what the key of each patch adds to its row of Z: the stored table resized to the patch
    /// grid, or the sine–cosine embedding of the patch.</summary>
    /// <param name="type">The source of the positions; not none.</param>
    /// <param name="stored">The stored table, [M, D]; not used for the sine–cosine embedding.</param>
    /// <param name="queries">The query grid, on which the table is stored.</param>
    /// <param name="grid">The patch grid.</param>
    /// <param name="width">D; a multiple of 4 for the sine–cosine embedding.</param>
    /// <param name="stride">Floats between rows of <paramref name="destination"/>, at least D.</param>
    /// <param name="destination">Receives [N, D] row-major, float32; padding is left as it is.</param>
    public static void OfPatches(PositionEmbeddingType type, ReadOnlySpan<float> stored, QueryGrid queries,
        PatchGrid grid, int width, int stride, Span<float> destination)
    {
        if (type == PositionEmbeddingType.Stored)
            Resize(stored, queries, grid, width, stride, destination);
        else
            SinCosGrid(grid.Rows, grid.Columns, row => row, column => column, width, stride, destination);
    }

    /// <summary>Writes what the keys of a frame add for its time: <c>[sin(t·ω), cos(t·ω)]</c> with <c>ω_k =
    /// 10000^(−k/(D/2))</c>.</summary>
    /// <param name="temporalId">t, at least 0.</param>
    /// <param name="destination">Receives [D], float32; D is even.</param>
    public static void OfFrame(int temporalId, Span<float> destination) => SinCos(temporalId, destination);

    /// <summary>Writes the half of the sine–cosine embedding that one coordinate determines.</summary>
    /// <param name="coordinate">The row or the column, in patches.</param>
    /// <param name="destination">Receives [D/2]: sines, then cosines.</param>
    public static void SinCos(double coordinate, Span<float> destination)
    {
        int quarter = destination.Length / 2;
        for (int k = 0; k < quarter; k++)
        {
            (double sin, double cos) = Math.SinCos(coordinate * Math.Pow(10000, -(double)k / quarter));
            destination[k] = (float)sin;
            destination[quarter + k] = (float)cos;
        }
    }

    /// <summary>Resizes a table stored on the query grid to a patch grid: bicubic with a = −0.75, half-pixel
    /// centres, edges repeated, in single precision; PyTorch's <c>interpolate(mode="bicubic",
    /// align_corners=False)</c>.</summary>
    /// <param name="table">[M, D] on <paramref name="from"/>.</param>
    /// <param name="from">The query grid.</param>
    /// <param name="to">The patch grid.</param>
    /// <param name="width">D.</param>
    /// <param name="stride">Floats between rows of <paramref name="destination"/>, at least D.</param>
    /// <param name="destination">Receives [N, D]; padding is left as it is.</param>
    public static void Resize(ReadOnlySpan<float> table, QueryGrid from, PatchGrid to, int width, int stride,
        Span<float> destination)
    {
        Span<float> rowWeights = stackalloc float[TapCount];
        Span<float> columnWeights = stackalloc float[TapCount];
        for (int i = 0; i < to.Rows; i++)
        {
            int firstRow = Taps(i, from.Rows, to.Rows, rowWeights);
            for (int j = 0; j < to.Columns; j++)
            {
                int firstColumn = Taps(j, from.Columns, to.Columns, columnWeights);
                Span<float> sum = destination.Slice(((i * to.Columns) + j) * stride, width);
                sum.Clear();
                for (int r = 0; r < TapCount; r++)
                {
                    int row = Math.Clamp(firstRow + r, 0, from.Rows - 1);
                    for (int c = 0; c < TapCount; c++)
                    {
                        int column = Math.Clamp(firstColumn + c, 0, from.Columns - 1);
                        TensorPrimitives.MultiplyAdd(table.Slice(((row * from.Columns) + column) * width, width),
                            rowWeights[r] * columnWeights[c], sum, sum);
                    }
                }
            }
        }
    }

    /// <summary>The embedding of every point of a grid. The column's half is the same in every row and the
    /// row's half in every column, so each is computed once and copied.</summary>
    private static void SinCosGrid(int rowCount, int columnCount, Func<int, double> y, Func<int, double> x, int width,
        int stride, Span<float> destination)
    {
        int half = width / 2;
        for (int row = 0; row < rowCount; row++)
        {
            int firstOfRow = row * columnCount * stride;
            for (int column = 0; column < columnCount; column++)
            {
                Span<float> point = destination.Slice(firstOfRow + (column * stride), width);
                if (row == 0)
                    SinCos(x(column), point[..half]);
                else
                    destination.Slice(column * stride, half).CopyTo(point);
                if (column == 0)
                    SinCos(y(row), point[half..]);
                else
                    destination.Slice(firstOfRow + half, half).CopyTo(point[half..]);
            }
        }
    }

    /// <summary>The bicubic weights of target <paramref name="index"/> along an axis, and the index of the first
    /// source. Sources outside the axis are those at its edge.</summary>
    /// <param name="index">The target.</param>
    /// <param name="sourceCount">The number of sources.</param>
    /// <param name="targetCount">The number of targets.</param>
    /// <param name="weights">Receives <see cref="TapCount"/> weights.</param>
    public static int Taps(int index, int sourceCount, int targetCount, Span<float> weights)
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

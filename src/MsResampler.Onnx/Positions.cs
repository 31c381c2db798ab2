using MsResampler.Model;

namespace MsResampler.Onnx;

/// <summary>Position tables in double precision.</summary>
internal static class Positions
{
    /// <summary>Positions that queries add, [M, D]: the sine–cosine embedding of their anchors, or the stored
    /// table.</summary>
    public static double[] OfQueries(ResamplerConfig config, ResamplerWeights weights, PatchGrid grid)
    {
        QueryGrid queries = config.QueryGrid;
        return config.PositionEmbedding.Queries == PositionEmbeddingType.Stored ? weights.PositionTable!.ToDouble()
            : SinCos(queries.Rows, queries.Columns, config.HiddenSize,
            row => ScopeGeometry.Anchor(row, queries.Rows, grid.Rows),
            column => ScopeGeometry.Anchor(column, queries.Columns, grid.Columns));
    }

    /// <summary>Positions that keys add, [N, D]: the sine–cosine embedding of their patches, or the resized stored
    /// table.</summary>
    public static double[] OfKeys(ResamplerConfig config, ResamplerWeights weights, PatchGrid grid)
        => config.PositionEmbedding.Keys == PositionEmbeddingType.Stored
            ? Resize(weights.PositionTable!.ToDouble(), config.QueryGrid, grid)
            : SinCos(grid.Rows, grid.Columns, config.HiddenSize, row => row, column => column);

    private static double[] SinCos(int rowCount, int columnCount, int width, Func<int, double> y,
        Func<int, double> x)
    {
        int quarter = width / 4;
        double[] table = new double[checked(rowCount * columnCount * width)];
        for (int index = 0; index < table.Length; index++)
        {
            (int position, int channel) = Math.DivRem(index, width);
            (int row, int column) = Math.DivRem(position, columnCount);
            (int part, int k) = Math.DivRem(channel, quarter);
            double angle = (part < 2 ? x(column) : y(row)) * Math.Pow(10000, -(double)k / quarter);
            table[index] = part % 2 == 0 ? Math.Sin(angle) : Math.Cos(angle);
        }

        return table;
    }

    /// <summary>Resizes a table, one axis after the other: bicubic with a = −0.75, half-pixel centres, edges
    /// repeated.</summary>
    private static double[] Resize(double[] table, QueryGrid from, PatchGrid to)
    {
        int width = table.Length / from.QueryCount;
        double[] tall = ResizeAxis(table, outer: 1, from.Rows, to.Rows, inner: from.Columns * width);
        return ResizeAxis(tall, outer: to.Rows, from.Columns, to.Columns, inner: width);
    }

    private static double[] ResizeAxis(double[] source, int outer, int sourceCount, int targetCount,
        int inner)
    {
        double[] result = new double[checked(outer * targetCount * inner)];
        for (int target = 0; target < targetCount; target++)
        {
            double center = ((target + 0.5) * sourceCount / targetCount) - 0.5;
            int first = (int)Math.Floor(center) - 1;
            for (int tap = first; tap < first + 4; tap++)
            {
                double weight = Cubic(Math.Abs(center - tap));
                int index = Math.Clamp(tap, 0, sourceCount - 1);
                for (int o = 0; o < outer; o++)
                    for (int i = 0; i < inner; i++)
                        result[(((o * targetCount) + target) * inner) + i] += weight
                            * source[(((o * sourceCount) + index) * inner) + i];
            }
        }

        return result;
    }

    private static double Cubic(double distance)
    {
        const double A = -0.75;
        return distance <= 1
            ? ((((A + 2) * distance) - (A + 3)) * distance * distance) + 1
            : (((((A * distance) - (5 * A)) * distance) + (8 * A)) * distance) - (4 * A);
    }
}

using MsResampler.Kernels.Attention;

namespace MsResampler.Kernels.Tests.Kernels;

/// <summary>One attention block: a tile that is the whole query grid, a rectangle of a larger patch grid, and two
/// heads.</summary>
internal sealed class AttentionCase
{
    private const int HeadCount = 2;
    private const int Margin = 2;

    private readonly int _headSize;
    private readonly int _rows;
    private readonly int _columns;
    private readonly int _keyRows;
    private readonly int _keyColumns;
    private readonly bool _isBiased;
    private readonly float[] _queries;
    private readonly float[] _keys;
    private readonly float[] _values;
    private readonly float[] _bias;

    public AttentionCase(int headSize, int rows, int columns, int keyRows, int keyColumns, bool isBiased)
    {
        (_headSize, _rows, _columns, _keyRows, _keyColumns, _isBiased) = (headSize, rows, columns, keyRows, keyColumns,
            isBiased);
        _queries = Values.Rows(QueryCount * HeadCount, headSize, 1);
        // The logits spread as much as those of a trained head.
        for (int index = 0; index < _queries.Length; index++)
            _queries[index] *= 3 / MathF.Sqrt(headSize);
        _keys = Values.Rows(PatchCount * HeadCount, headSize, 2);
        _values = Values.Rows(PatchCount * HeadCount, headSize, 3);
        _bias = Values.Normal(TableCount * HeadCount, 4);
        // A window: each query row sees the rows of the rectangle from its own index on, but at least one.
        for (int head = 0; head < HeadCount; head++)
            for (int row = 0; row < rows; row++)
                for (int key = 0; key < Math.Min(row, keyRows - 1); key++)
                    _bias[(head * TableCount) + (row * GridRows) + 1 + key] = float.NegativeInfinity;
    }

    private int QueryCount => _rows * _columns;

    private int GridRows => _keyRows + Margin;

    private int GridColumns => _keyColumns + Margin;

    private int PatchCount => GridRows * GridColumns;

    private int Vectors => (_headSize + 3) / 4;

    private int TableCount => (_rows * GridRows) + (_columns * GridColumns);

    /// <summary>Computes the weighted sums, [queries, heads, d], and the log-sums, [queries, heads].</summary>
    public (float[] Sums, float[] LogSums) Run(KernelHost host, Type head, bool storesLogSums = true)
    {
        Type kernel = typeof(ScopeAttentionTiled<>).MakeGenericType(head);
        int blockSize = (int)kernel.GetProperty("BlockSize")!.GetValue(null)!;
        int sliceVectors = (int)kernel.GetProperty("SliceVectors")!.GetValue(null)!;
        TiledBlock block = new()
        {
            FirstKey = GridColumns + 1,
            GridColumns = GridColumns,
            KeyColumns = _keyColumns,
            KeyCount = _keyRows * _keyColumns,
            TileColumns = _columns,
            QueryCount = QueryCount,
            RowBias = _isBiased ? 1 : -1,
            ColumnBias = (_rows * GridRows) + 1,
            GridRows = GridRows,
            BiasHeadStride = TableCount,
        };
        // In quads of channels, with the patches of a quad contiguous.
        float[] keys = new float[_keys.Length];
        for (int patch = 0; patch < PatchCount; patch++)
            for (int vector = 0; vector < HeadCount * Vectors; vector++)
                _keys.AsSpan(4 * ((patch * HeadCount * Vectors) + vector), 4).CopyTo(
                    keys.AsSpan(4 * ((vector * PatchCount) + patch)));
        var output = KernelHost.Output.Of(_queries.Length);
        // Memory that is not written cannot be read back.
        object logSums = storesLogSums ? KernelHost.Output.Of(QueryCount * HeadCount) : new float[1];
        host.Run(new KernelVariant(kernel, blockSize, 1),
            new LaunchSize(1, HeadCount * ((Vectors + sliceVectors - 1) / sliceVectors), blockSize),
            new[] { block }, _queries, keys, _values, _bias, output, logSums, new AttentionShape
            {
                ScopeCount = 1,
                KeyScopeCount = 1,
                HeadCount = HeadCount,
                HeadVectors = Vectors,
                QueryColumns = _columns,
            }, PatchCount, storesLogSums ? 1 : 0);
        return (output.Values, (logSums as KernelHost.Output)?.Values ?? []);
    }

    /// <summary>The weighted sums and the log-sums in double precision.</summary>
    public (double[] Sums, double[] LogSums) Expected()
    {
        double[] logSums = new double[QueryCount * HeadCount];
        double[] expected = new double[_queries.Length];
        for (int query = 0; query < QueryCount; query++)
        {
            for (int head = 0; head < HeadCount; head++)
            {
                double total = 0;
                double[] sums = new double[_headSize];
                for (int i = 1; i <= _keyRows; i++)
                {
                    for (int j = 1; j <= _keyColumns; j++)
                    {
                        int key = Row((i * GridColumns) + j, head);
                        double logit = _isBiased ? Bias(query, head, i, j) : 0;
                        for (int k = 0; k < _headSize; k++)
                            logit += (double)_queries[Row(query, head) + k] * _keys[key + k];
                        double weight = Math.Pow(2, logit);
                        total += weight;
                        for (int k = 0; k < _headSize; k++)
                            sums[k] += weight * _values[key + k];
                    }
                }

                logSums[(query * HeadCount) + head] = Math.Log2(total);
                for (int k = 0; k < _headSize; k++)
                    expected[Row(query, head) + k] = sums[k] / total;
            }
        }

        return (expected, logSums);
    }

    private int Row(int index, int head) => ((index * HeadCount) + head) * 4 * Vectors;

    private double Bias(int query, int head, int i, int j)
        => (double)_bias[(head * TableCount) + (query / _columns * GridRows) + i]
            + _bias[(head * TableCount) + (_rows * GridRows) + (query % _columns * GridColumns) + j];
}

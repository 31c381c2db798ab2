using MsResampler.Kernels.Tiles;

namespace MsResampler.Kernels.Attention;

/// <summary>The schedule of <see cref="ScopeAttentionMma{THead, TElement}"/> for images of one patch grid: its
/// blocks and the tables that they refer to. It depends only on the model and the grid.</summary>
internal sealed class ScopeSchedule
{
    /// <summary>Keys of a tile.</summary>
    public const int TileKeys = 64;

    /// <summary>The largest number of queries in a block.</summary>
    public const int MaxQueries = 64;

    /// <summary>The number of queries of a unit, and of its keys. A unit is the smallest product that is computed or
    /// omitted.</summary>
    public const int UnitSize = 16;

    /// <summary>Vectors of 16 bytes after the last patch in the tensor of keys and values. Copies of the chunks that
    /// the last head lacks have addresses in them, but do not read them.</summary>
    public const int ExtraVectors = PaddedTile.ChunkMultiple - 1;

    /// <summary>The largest number of rows or columns of a patch grid: a place has 15 bits for each.</summary>
    public const int MaxGridExtent = short.MaxValue;

    /// <summary>Floats in a sector, the unit of memory transfers.</summary>
    private const int SectorFloats = 8;

    private readonly ResamplerConfig _config;
    private readonly MmaBlock[] _scopes;
    private readonly MmaBlock[] _blocks;
    private readonly List<int> _places = [];
    private readonly List<AxisWindow> _windows = [];
    private readonly List<float> _bias = [];

    /// <summary>Creates the schedule of a grid.</summary>
    /// <param name="config">The model.</param>
    /// <param name="plan">The plan of the grid, made with <see cref="Costs"/>.</param>
    /// <param name="logSigmas">The learned log sigma of each scope, [A, 2], or null.</param>
    /// <exception cref="NotSupportedException">The grid has more than <see cref="MaxGridExtent"/> rows or
    /// columns.</exception>
    public ScopeSchedule(ResamplerConfig config, ExecutionPlan plan, double[]?[] logSigmas)
    {
        if (plan.Grid.Rows > MaxGridExtent || plan.Grid.Columns > MaxGridExtent)
        {
            throw new NotSupportedException($"A patch grid of {plan.Grid}: attention on tensor cores takes at most " +
                $"{MaxGridExtent} rows and columns. Use Precision.Float32 for this image.");
        }

        _config = config;
        _scopes = [.. plan.Scopes.Select((scope, index) => ScopeOf(index, scope,
            new ScopeBias(config.Scopes[index], scope.Windows, config.QueryGrid, logSigmas[index])))];
        // Long blocks first, so that none of them starts last. The sort is stable: blocks of one scope stay
        // together, because they read the same keys.
        _blocks = [.. plan.Scopes
            .SelectMany((scope, index) => scope.Tiles.Select(tile => BlockOf(_scopes[index], scope.Windows, tile)))
            .OrderByDescending(Duration)];
    }

    /// <summary>The costs of the kernel's tiles. In a block of more than 16 queries each warp has 16 of them, and
    /// two warps take as long as four. In a block of 16 queries every warp computes a head, but keys come in units
    /// of 16 instead of 64, each with a rescaled sum: twice the instructions per product.</summary>
    public static CostModel Costs { get; } = new([16, 32, 48, MaxQueries], [0.5, 0.5, 0.75, 1])
    {
        CanAbsorb = false,
        // A multiprocessor of an A100 executes 2048 operations and reads 48 bytes, 24 elements, per cycle.
        ReadCost = 85,
        // At 64 channels a logit has 256 operations of products. Maximum, exponential, sum and conversion take a
        // third of the issued instructions.
        LogitCost = 100,
    };

    /// <summary>The lists of keys. A place is <c>row &lt;&lt; 16 | column</c> of a patch in its image, or
    /// <see cref="NoPlace"/>.</summary>
    public int[] Places => [.. _places];

    /// <summary>For each scope, the windows of all query rows, then those of all query columns.</summary>
    public AxisWindow[] Windows => [.. _windows];

    /// <summary>The bias tables of each scope that is more than a window, one table per head if heads differ. A
    /// table contains, for each patch row, the biases of all query rows; one more row of −∞ for
    /// <see cref="NoPlace"/>; and, for each patch column, the biases of all query columns, where the columns of a
    /// tile are repeated for each of its rows.</summary>
    /// <remarks>With the repetition, the biases of a patch column for eight queries of a tile, which the lanes of a
    /// warp read at once, lie in one sector of 32 bytes, whatever the queries. Without it, tiles of ten columns took
    /// 1.7 sectors.</remarks>
    public float[] Bias => [.. _bias];

    /// <summary>The number of products of 16 queries and 16 keys that one head of an image needs.</summary>
    public long UnitCount => _blocks.Sum(block
        => (long)((block.QueryCount + UnitSize - 1) / UnitSize) * (block.KeyCount / UnitSize));

    /// <summary>Vectors of 16 bytes in a query.</summary>
    private int QueryVectors => _config.AttentionHeadCount * ((_config.HeadSize + 7) / 8);

    /// <summary>The blocks of an image, longest first, for an image whose patches and tokens begin at 0. The caller
    /// adds the first patch and token of the image to FirstPatch and FirstToken, and sorts the blocks of a batch by
    /// descending <see cref="Duration"/>, with those of equal duration image by image: they read the same
    /// keys.</summary>
    /// <param name="firstPlace">The index of <see cref="Places"/> in the kernel's view; a multiple of 4.</param>
    /// <param name="firstWindow">The index of <see cref="Windows"/>.</param>
    /// <param name="firstBias">The index of <see cref="Bias"/>; a multiple of 8, so that its sectors are those of
    /// memory.</param>
    /// <param name="queryStart">The index of the first query, in vectors of 16 bytes; the queries are
    /// [scopes][queries, heads, d/8].</param>
    public MmaBlock[] BlocksAt(int firstPlace, int firstWindow, int firstBias, int queryStart)
        => [.. _blocks.Select(block => Moved(block, firstPlace, firstWindow, firstBias, queryStart))];

    /// <summary>For each scope, a block whose tile is the whole query grid and whose list of keys is empty, for
    /// <see cref="AttentionMapMma{TElement}"/>. The parameters are as for <see cref="BlocksAt"/>.</summary>
    public MmaBlock[] ScopesAt(int firstWindow, int firstBias, int queryStart)
        => [.. _scopes.Select(scope => Moved(scope, 0, firstWindow, firstBias, queryStart))];

    private static MmaBlock Moved(MmaBlock block, int firstPlace, int firstWindow, int firstBias, int queryStart)
        => block with
        {
            FirstPlace = block.FirstPlace + firstPlace,
            RowWindows = block.RowWindows + firstWindow,
            ColumnWindows = block.ColumnWindows + firstWindow,
            Bias = block.Bias < 0 ? -1 : block.Bias + firstBias,
            QueryStart = block.QueryStart + queryStart,
        };

    /// <summary>The duration of a block in keys of a wide block; see <see cref="Costs"/>.</summary>
    public static int Duration(MmaBlock block) => block.QueryCount > UnitSize ? block.KeyCount : 2 * block.KeyCount;

    /// <summary>The place of a missing key: negative, and in the row after the last one.</summary>
    public static int NoPlace(PatchGrid grid) => int.MinValue | (grid.Rows << 16);

    /// <summary>Creates the common part of the blocks of a scope, and adds its windows and bias tables.</summary>
    private MmaBlock ScopeOf(int scope, ScopePlan plan, ScopeBias bias)
    {
        QueryGrid queries = _config.QueryGrid;
        PatchGrid grid = plan.Windows.Grid;
        int rowStride = ToSectors(queries.Rows);
        (int[] columnStarts, int[] copyCounts, int columnStride) = ColumnsOf(plan.Tiles);
        int rowBias = checked(rowStride * (grid.Rows + 1));
        int headBias = checked(rowBias + (columnStride * grid.Columns));
        MmaBlock block = new()
        {
            GridColumns = grid.Columns,
            KeyScope = _config.ShareKeyValues ? 0 : scope,
            Bias = bias.IsMask ? -1 : _bias.Count,
            BiasHeadStride = bias.IsPerHead ? headBias : 0,
            TileColumns = queries.Columns,
            QueryCount = queries.QueryCount,
            QueryStart = checked(scope * queries.QueryCount * QueryVectors),
            RowWindows = _windows.Count,
            ColumnWindows = _windows.Count + queries.Rows,
            Scope = scope,
        };
        AddWindows(plan.Windows.Rows, row => row, rowStride);
        AddWindows(plan.Windows.Columns, column => rowBias + columnStarts[column], columnStride);
        for (int head = 0; !bias.IsMask && head < (bias.IsPerHead ? _config.AttentionHeadCount : 1); head++)
        {
            float[] tables = new float[headBias];
            for (int row = 0; row < queries.Rows; row++)
                bias.FillRows(row, head, new AxisRange(0, grid.Rows), tables.AsSpan(row), rowStride);
            tables.AsSpan(rowStride * grid.Rows, rowStride).Fill(float.NegativeInfinity);
            foreach (QueryTile tile in plan.Tiles.DistinctBy(tile => tile.QueryColumns))
            {
                AxisRange columns = tile.QueryColumns;
                for (int query = 0; query < columns.Count * copyCounts[columns.Start]; query++)
                    bias.FillColumns(columns.Start + (query % columns.Count), head, new AxisRange(0, grid.Columns),
                        tables.AsSpan(rowBias + columnStarts[columns.Start] + query), columnStride);
            }

            _bias.AddRange(tables);
        }

        return block;
    }

    /// <summary>The layout of the column biases of one patch: the start of each query column, the number of copies
    /// of its tile's columns, and the total number of floats. Tiles that share a column have the same
    /// columns.</summary>
    private (int[] Starts, int[] CopyCounts, int Stride) ColumnsOf(IReadOnlyList<QueryTile> tiles)
    {
        int[] starts = new int[_config.QueryGrid.Columns];
        int[] copyCounts = new int[starts.Length];
        int end = 0;
        foreach (IGrouping<AxisRange, QueryTile> sameColumns in tiles.GroupBy(tile => tile.QueryColumns))
        {
            AxisRange columns = sameColumns.Key;
            int copyCount = sameColumns.Max(tile => tile.QueryRows.Count);
            for (int index = 0; index < columns.Count; index++)
                (starts[columns.Start + index], copyCounts[columns.Start + index]) = (end + index, copyCount);
            end += ToSectors(columns.Count * copyCount);
        }

        return (starts, copyCounts, end);
    }

    private static int ToSectors(int floatCount) => (floatCount + SectorFloats - 1) / SectorFloats * SectorFloats;

    private void AddWindows(IReadOnlyList<AxisRange> windows, Func<int, int> biasOf, int stride)
    {
        for (int query = 0; query < windows.Count; query++)
            _windows.Add(new AxisWindow
            {
                Start = windows[query].Start,
                Count = windows[query].Count,
                Bias = biasOf(query),
                BiasStride = stride,
            });
    }

    private MmaBlock BlockOf(MmaBlock scope, ScopeWindows windows, QueryTile tile)
    {
        int firstQuery = tile.QueryIndex(0, _config.QueryGrid.Columns);
        int firstPlace = _places.Count;
        (int fullCount, int keyCount) = AddPlaces(windows, tile);
        return scope with
        {
            FirstPlace = firstPlace,
            KeyCount = (keyCount + UnitSize - 1) / UnitSize * UnitSize,
            FullTiles = scope.Bias < 0 ? fullCount / TileKeys : 0,
            TileColumns = tile.QueryColumns.Count,
            TileColumnsReciprocal = ((1 << 16) + tile.QueryColumns.Count - 1) / tile.QueryColumns.Count,
            QueryCount = tile.QueryCount,
            QueryStart = scope.QueryStart + (firstQuery * QueryVectors),
            RowWindows = scope.RowWindows + tile.QueryRows.Start,
            ColumnWindows = scope.ColumnWindows + tile.QueryColumns.Start,
            FirstToken = firstQuery,
        };
    }

    /// <summary>Lists the keys of a tile of queries, first those that every query sees. Both parts are in row order,
    /// so that a tile of keys is a compact part of the image.</summary>
    private (int FullCount, int KeyCount) AddPlaces(ScopeWindows windows, QueryTile tile)
    {
        (List<int> rows, AxisRange fullRows) = Seen(windows.Rows, tile.QueryRows, tile.KeyRows);
        (List<int> columns, AxisRange fullColumns) = Seen(windows.Columns, tile.QueryColumns, tile.KeyColumns);
        List<int> partial = [];
        int first = _places.Count;
        foreach (int row in rows)
        {
            foreach (int column in columns)
            {
                (fullRows.Contains(row) && fullColumns.Contains(column) ? _places : partial)
                    .Add((row << 16) | column);
            }
        }

        int fullCount = _places.Count - first;
        _places.AddRange(partial);
        int keyCount = _places.Count - first;
        // The list is filled up to whole tiles, and one more, which the kernel reads ahead.
        int end = first + ((keyCount + TileKeys - 1) / TileKeys * TileKeys) + TileKeys;
        while (_places.Count < end)
            _places.Add(NoPlace(windows.Grid));
        return (fullCount, keyCount);
    }

    /// <summary>The patches along an axis that any of the queries sees, and the range that all of them see. Narrow
    /// windows that are far apart have gaps between them.</summary>
    private static (List<int> Any, AxisRange All) Seen(IReadOnlyList<AxisRange> windows, AxisRange queries,
        AxisRange patches)
    {
        AxisRange all = patches;
        List<int> any = [];
        for (int query = queries.Start; query < queries.End; query++)
            all = new AxisRange(Math.Max(all.Start, windows[query].Start), Math.Min(all.End, windows[query].End));
        for (int patch = patches.Start; patch < patches.End; patch++)
        {
            int query = queries.Start;
            while (query < queries.End && !windows[query].Contains(patch))
                query++;
            if (query < queries.End)
                any.Add(patch);
        }

        return (any, all);
    }
}

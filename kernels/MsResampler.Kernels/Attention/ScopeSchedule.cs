using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Kernels.Attention;

/// <summary>The schedule of <see cref="ScopeAttentionMma{THead, TElement}"/> for images of one patch grid: its blocks,
/// and the tables that they refer to. It depends on the model and the grid alone.</summary>
internal sealed class ScopeSchedule
{
    /// <summary>Keys of a tile.</summary>
    public const int TileKeys = 64;

    /// <summary>Most queries of a block.</summary>
    public const int MaxQueries = 64;

    /// <summary>Queries, and keys, of the smallest product that is executed or left out.</summary>
    public const int UnitSize = 16;

    /// <summary>Most rows or columns of a patch grid: a row and a column are packed into 15 bits each.</summary>
    public const int MaxGridExtent = short.MaxValue;

    /// <summary>Floats of a sector, which memory is read by.</summary>
    private const int SectorFloats = 8;

    private readonly ResamplerConfig _config;
    private readonly MmaBlock[] _scopes;
    private readonly MmaBlock[] _blocks;
    private readonly List<int> _places = [];
    private readonly List<AxisWindow> _windows = [];
    private readonly List<float> _bias = [];

    /// <param name="config">The model.</param>
    /// <param name="plan">The grid's plan, made with <see cref="Costs"/>.</param>
    /// <param name="logSigmas">Learned log sigma of each scope, [A, 2], or null.</param>
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
        // The longest run first, lest the last one keep the device waiting. Those of one scope stay together: they read
        // the same keys.
        _blocks = [.. plan.Scopes
            .SelectMany((scope, index) => scope.Tiles.Select(tile => BlockOf(_scopes[index], scope.Windows, tile)))
            .OrderByDescending(Duration)];
    }

    /// <summary>What the kernel's tiles cost. A block of more than 16 queries has a warp for each 16, and takes as long
    /// with two warps at work as with four. With 16 all warps work, on a head each, but keys come 16 at a time instead
    /// of 64, each time with a running sum to scale: twice the instructions for a product.</summary>
    public static CostModel Costs { get; } = new([16, 32, 48, MaxQueries], [0.5, 0.5, 0.75, 1])
    {
        CanAbsorb = false,
        // A multiprocessor of an A100 makes 2048 operations and reads 48 bytes, 24 elements, in a cycle.
        ReadCost = 85,
        // Beside 256 operations of products at 64 channels: maximum, exponential, sum and conversion take a third of
        // the instructions that issue.
        LogitCost = 100,
    };

    /// <summary>The lists of keys. A place is <c>row &lt;&lt; 16 | column</c> of a patch in its image, or
    /// <see cref="NoPlace"/>.</summary>
    public int[] Places => [.. _places];

    /// <summary>Of each scope the windows of every query row, then of every query column.</summary>
    public AxisWindow[] Windows => [.. _windows];

    /// <summary>Of each scope that is more than a mask, and of each head where they differ, the bias of every patch row
    /// for every query row, and of one row more, which stands for <see cref="NoPlace"/> and is −∞; then of every patch
    /// column for every query column, where each tile's columns are repeated for each of its rows.</summary>
    /// <remarks>So eight queries of a tile, which a warp's lanes ask for at once, find the bias of a patch column in one
    /// sector of 32 bytes, wherever in the tile they are: with each column once, tiles of ten columns took 1.7.</remarks>
    public float[] Bias => [.. _bias];

    /// <summary>Products of 16 queries and 16 keys that one head executes for an image.</summary>
    public long UnitCount => _blocks.Sum(block
        => (long)((block.QueryCount + UnitSize - 1) / UnitSize) * (block.KeyCount / UnitSize));

    /// <summary>Groups of 16 bytes of a query.</summary>
    private int QueryVectors => _config.AttentionHeadCount * ((_config.HeadSize + 7) / 8);

    /// <summary>The blocks of an image, longest first, whose patches and tokens begin at 0: add where the image's begin
    /// to FirstPatch and FirstToken. In a batch, blocks go by descending <see cref="Duration"/>, those of the same
    /// duration image by image: they read the same keys.</summary>
    /// <param name="firstPlace">Where <see cref="Places"/> lie in the kernel's view; a multiple of 4.</param>
    /// <param name="firstWindow">Where <see cref="Windows"/> lie.</param>
    /// <param name="firstBias">Where <see cref="Bias"/> lies; a multiple of 8, so that its sectors are those of
    /// memory.</param>
    /// <param name="queryStart">The group of 16 bytes where the queries, [scopes][queries, heads, d/8], begin.</param>
    public MmaBlock[] BlocksAt(int firstPlace, int firstWindow, int firstBias, int queryStart)
        => [.. _blocks.Select(block => Moved(block, firstPlace, firstWindow, firstBias, queryStart))];

    /// <summary>For each scope a block whose tile is the whole query grid and whose list of keys is empty: what
    /// <see cref="AttentionMapMma{TElement}"/> needs to know of a scope. Parameters as those of
    /// <see cref="BlocksAt"/>.</summary>
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

    /// <summary>How long a block runs, in keys of a wide one; see <see cref="Costs"/>.</summary>
    public static int Duration(MmaBlock block) => block.QueryCount > UnitSize ? block.KeyCount : 2 * block.KeyCount;

    /// <summary>A place after the end of a list on a grid: negative, and the row after its last.</summary>
    public static int NoPlace(PatchGrid grid) => int.MinValue | (grid.Rows << 16);

    /// <summary>What a scope's blocks have in common; adds its windows and bias tables.</summary>
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

    /// <summary>Where the query columns lie among the column biases of one patch, how often those of their tiles are
    /// repeated, and how many floats all take. Tiles that share a column have the same columns.</summary>
    private (int[] Starts, int[] CopyCounts, int Stride) ColumnsOf(IReadOnlyList<QueryTile> tiles)
    {
        int[] starts = new int[_config.QueryGrid.Columns];
        int[] copyCounts = new int[starts.Length];
        int end = 0;
        foreach (IGrouping<AxisRange, QueryTile> group in tiles.GroupBy(tile => tile.QueryColumns))
        {
            AxisRange columns = group.Key;
            int copyCount = group.Max(tile => tile.QueryRows.Count);
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

    /// <summary>Lists the keys of a tile of queries, those first that every query sees, each part row by row, so that a
    /// tile of keys is a compact piece of the image.</summary>
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
        // To the end of a tile, and one more, which the kernel asks for ahead.
        int end = first + ((keyCount + TileKeys - 1) / TileKeys * TileKeys) + TileKeys;
        while (_places.Count < end)
            _places.Add(NoPlace(windows.Grid));
        return (fullCount, keyCount);
    }

    /// <summary>Which patches along an axis any of the queries sees, and which all of them do. Narrow windows that are
    /// far apart leave gaps between them.</summary>
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

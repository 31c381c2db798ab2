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

    /// <summary>Most rows or columns of a patch grid: two of them are packed into a positive integer.</summary>
    public const int MaxGridExtent = short.MaxValue;

    /// <summary>A place after the end of a list, outside every window.</summary>
    private const int NoPlace = -1;

    /// <summary>Above this a Gaussian leaves a weight to the nearest patches alone; infinity times 0 would not.</summary>
    private const float MaxScale = 1e30f;

    private const double Log2E = 1.4426950408889634;

    private readonly ResamplerConfig _config;
    private readonly ScopeBlock[] _blocks;
    private readonly List<int> _places = [];
    private readonly List<AxisWindow> _windows = [];
    private readonly List<float> _scales = [];

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
        // The longest run first, lest the last one keep the device waiting. Those of one scope stay together: they read
        // the same keys.
        _blocks = [.. plan.Scopes
            .SelectMany((scope, index) => BlocksOf(index, scope.Tiles,
                new ScopeBias(config.Scopes[index], scope.Windows, config.QueryGrid, logSigmas[index]), scope.Windows))
            .OrderByDescending(Duration)];
    }

    /// <summary>What the kernel's tiles cost. A block of more than 16 queries has a warp for each 16, and takes as long
    /// with one warp at work as with four; one of 16 shares its keys among its warps, but multiplies less for each key
    /// that it reads, and its warps' sums have to be merged.</summary>
    public static CostModel Costs { get; } = new([16, 32, 48, MaxQueries], [0.5, 0.5, 0.75, 1])
    {
        CanAbsorb = false,
        // A multiprocessor of an A100 makes 2048 operations and reads 48 bytes, 24 elements, in a cycle.
        ReadCost = 85,
        // Beside 256 operations of products at 64 channels: maximum, exponential, sum and conversion take a third of
        // the instructions that issue.
        LogitCost = 100,
    };

    /// <summary>The lists of keys. A place is <c>row &lt;&lt; 16 | column</c> of a patch in its image, or −1.</summary>
    public int[] Places => [.. _places];

    /// <summary>Of each scope the windows of every query row, then of every query column.</summary>
    public AxisWindow[] Windows => [.. _windows];

    /// <summary>Of each Gaussian scope, and of each head where they differ, log₂e / 2σ² of rows and of
    /// columns.</summary>
    public float[] Scales => [.. _scales];

    /// <summary>Products of 16 queries and 16 keys that one head executes for an image.</summary>
    public long UnitCount => _blocks.Sum(block
        => (long)((block.QueryCount + UnitSize - 1) / UnitSize) * (block.KeyCount / UnitSize));

    /// <summary>The blocks of an image, longest first, that has its patches and tokens at 0. For a batch, take block 0
    /// of every image, then block 1, and so on, and add to each its image's FirstPatch and FirstToken.</summary>
    /// <param name="firstPlace">Where <see cref="Places"/> lie in the kernel's view; a multiple of 4.</param>
    /// <param name="firstWindow">Where <see cref="Windows"/> lie.</param>
    /// <param name="firstScale">Where <see cref="Scales"/> lie.</param>
    /// <param name="queryStart">The group of 16 bytes where the queries, [scopes][queries, heads, d/8], lie.</param>
    public ScopeBlock[] BlocksAt(int firstPlace, int firstWindow, int firstScale, int queryStart)
    {
        var blocks = (ScopeBlock[])_blocks.Clone();
        for (int index = 0; index < blocks.Length; index++)
        {
            blocks[index].FirstPlace += firstPlace;
            blocks[index].RowWindows += firstWindow;
            blocks[index].ColumnWindows += firstWindow;
            blocks[index].Scales += blocks[index].Scales < 0 ? 0 : firstScale;
            blocks[index].QueryStart += queryStart;
        }

        return blocks;
    }

    private static int Duration(ScopeBlock block) => block.QueryCount > UnitSize ? 4 * block.KeyCount : block.KeyCount;

    private IEnumerable<ScopeBlock> BlocksOf(int scope, IReadOnlyList<QueryTile> tiles, ScopeBias bias,
        ScopeWindows windows)
    {
        QueryGrid queries = _config.QueryGrid;
        ScopeBlock block = new()
        {
            GridColumns = windows.Grid.Columns,
            QueryStart = checked(scope * queries.QueryCount * _config.AttentionHeadCount
                * ((_config.HeadSize + 7) / 8)),
            Scope = scope,
            KeyScope = _config.ShareKeyValues ? 0 : scope,
            RowWindows = _windows.Count,
            ColumnWindows = _windows.Count + queries.Rows,
            Scales = bias.IsGaussian ? _scales.Count : -1,
            ScaleHeadStride = bias.IsPerHead ? 2 : 0,
        };
        AddWindows(windows.Rows, queries.Rows, windows.Grid.Rows);
        AddWindows(windows.Columns, queries.Columns, windows.Grid.Columns);
        for (int head = 0; bias.IsGaussian && head < (bias.IsPerHead ? _config.AttentionHeadCount : 1); head++)
        {
            _scales.Add(Scale(bias.RowSigma(head)));
            _scales.Add(Scale(bias.ColumnSigma(head)));
        }

        foreach (QueryTile tile in tiles)
        {
            block.FirstPlace = _places.Count;
            (int fullCount, int keyCount) = AddPlaces(windows, tile);
            block.FullTiles = bias.IsGaussian ? 0 : fullCount / TileKeys;
            block.KeyCount = (keyCount + UnitSize - 1) / UnitSize * UnitSize;
            block.QueryRow = tile.QueryRows.Start;
            block.QueryColumn = tile.QueryColumns.Start;
            block.TileColumns = tile.QueryColumns.Count;
            block.QueryCount = tile.QueryCount;
            yield return block;
        }
    }

    private void AddWindows(IReadOnlyList<AxisRange> windows, int queryCount, int patchCount)
    {
        for (int query = 0; query < queryCount; query++)
        {
            double anchor = ScopeGeometry.Anchor(query, queryCount, patchCount);
            double nearest = ScopeBias.Nearest(windows[query], anchor);
            _windows.Add(new AxisWindow
            {
                Start = windows[query].Start,
                Count = windows[query].Count,
                Nearest = (float)nearest,
                Slope = (float)(2 * (nearest - anchor)),
            });
        }
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
        while ((_places.Count - first) % TileKeys != 0)
            _places.Add(NoPlace);
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

    private static float Scale(double sigma) => (float)Math.Min(Log2E / (2 * sigma * sigma), MaxScale);
}

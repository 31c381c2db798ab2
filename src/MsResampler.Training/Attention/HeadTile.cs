using System.Runtime.CompilerServices;
using MsResampler.Cpu;
using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Training.Attention;

/// <summary>One tile of queries of one head and one frame: loads the queries and blocks of keys, and computes
/// logits.</summary>
internal readonly unsafe ref struct HeadTile<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    private readonly HeadFrame _frame;
    private readonly float* _rowBias;
    private readonly float* _columnBias;

    /// <summary>Loads the queries and computes the bias.</summary>
    /// <param name="frame">The frame.</param>
    /// <param name="tile">The index of the tile.</param>
    /// <param name="headSize">d.</param>
    /// <param name="sigma">The sigma of the head.</param>
    /// <param name="scratch">The scratch memory.</param>
    public HeadTile(in HeadFrame frame, int tile, int headSize, FrameSigma sigma, AttentionScratch scratch)
    {
        FrameGeometry geometry = frame.Geometry;
        _frame = frame;
        Scratch = scratch;
        HeadSize = headSize;
        Tile = geometry.Tiles[tile];
        Lanes = Tile.LaneCount;
        QueryIndices = geometry.QueriesOf(tile);
        GridColumns = geometry.Grid.Columns;
        IsContiguous = Tile.KeyColumns.Count == GridColumns;
        IsDirect = IsContiguous && headSize == scratch.RowStride;
        if (TileBias.IsNeeded(geometry, Tile))
        {
            _rowBias = scratch.RowBias;
            _columnBias = scratch.ColumnBias;
            TileBias.Fill<TSimd, TVector>(geometry.RowsOf(tile), Lanes, Tile.KeyRows, sigma.Rows, _rowBias);
            TileBias.Fill<TSimd, TVector>(geometry.ColumnsOf(tile), Lanes, Tile.KeyColumns, sigma.Columns,
                _columnBias);
        }

        LoadRows((float*)frame.Queries, frame.QueryStride, scratch.QueryRows, (float)Base2.QueryScale(headSize));
        Transpose(scratch.QueryRows, scratch.Queries);
    }

    public AttentionScratch Scratch { get; }

    public QueryTile Tile { get; }

    /// <summary>d.</summary>
    public int HeadSize { get; }

    /// <summary>The number of queries in whole vectors.</summary>
    public int Lanes { get; }

    /// <summary>The index of the query of each lane.</summary>
    public int* QueryIndices { get; }

    /// <summary>Whether the patches of the tile are consecutive.</summary>
    public bool IsContiguous { get; }

    /// <summary>Whether keys and values can be read, and their gradients written, in the caller's memory.</summary>
    public bool IsDirect { get; }

    /// <summary>The row part of the bias; null if the bias is 0.</summary>
    public float* RowBias => _rowBias;

    /// <summary>The column part of the bias.</summary>
    public float* ColumnBias => _columnBias;

    private int GridColumns { get; }

    /// <summary>Loads a row of every query, times a factor; rows of lanes without a query are 0.</summary>
    /// <param name="source">Rows of all queries.</param>
    /// <param name="stride">Floats between them.</param>
    /// <param name="rows">Receives [lanes, stride of the scratch memory].</param>
    /// <param name="factor">The factor.</param>
    public void LoadRows(float* source, nint stride, float* rows, float factor)
    {
        for (int lane = 0; lane < Tile.QueryCount; lane++)
            ChannelRows<TSimd, TVector>.Copy(source + (QueryIndices[lane] * stride), rows + (lane * Scratch.RowStride),
                HeadSize, factor);
        new Span<float>(rows + (Tile.QueryCount * Scratch.RowStride),
            (Lanes - Tile.QueryCount) * Scratch.RowStride).Clear();
    }

    /// <summary>Transposes [lanes, stride] to [d, lanes].</summary>
    public void Transpose(float* rows, float* columns)
        => Transposition.Run(rows, Scratch.RowStride, Lanes, HeadSize, columns, Lanes);

    /// <summary>The rows of a block of keys in memory where whole vectors can be read.</summary>
    /// <param name="rows">Keys or values.</param>
    /// <param name="first">The first key of the block in the rectangle of patches.</param>
    /// <param name="count">Keys of the block.</param>
    /// <param name="copy">Scratch memory for a copy.</param>
    /// <param name="stride">Receives the floats between rows.</param>
    public float* Block(nint rows, int first, int count, float* copy, out nint stride)
    {
        stride = _frame.KeyStride;
        if (IsDirect)
            return (float*)rows + ((((nint)Tile.KeyRows.Start * GridColumns) + first) * stride);
        float* target = copy;
        int columns = Tile.KeyColumns.Count;
        (int row, int column) = Math.DivRem(first, columns);
        for (int key = 0; key < count; row++, column = 0)
        {
            float* source = (float*)rows + PatchOffset(row, column);
            for (; column < columns && key < count; column++, key++, source += stride, target += Scratch.RowStride)
                ChannelRows<TSimd, TVector>.Copy(source, target, HeadSize);
        }

        stride = Scratch.RowStride;
        return copy;
    }

    /// <summary>Adds the product of a block [keys, lanes] and rows of queries to the gradients of the keys or
    /// values.</summary>
    /// <param name="weights">[keys, lanes].</param>
    /// <param name="queryRows">[lanes, stride of the scratch memory].</param>
    /// <param name="gradients">The gradients.</param>
    /// <param name="first">The first key of the block in the rectangle of patches.</param>
    /// <param name="count">Keys of the block.</param>
    public void AddToKeys(float* weights, float* queryRows, nint gradients, int first, int count)
    {
        nint stride = _frame.KeyStride;
        int channels = Scratch.RowStride;
        if (IsDirect)
        {
            float* direct = (float*)gradients + ((((nint)Tile.KeyRows.Start * GridColumns) + first) * stride);
            BlockProduct<TSimd, TVector>.Run(weights, Lanes, 1, count, Tile.QueryCount, queryRows, channels, channels,
                direct, stride, isSum: true);
            return;
        }

        float* sum = Scratch.KeyGradients;
        BlockProduct<TSimd, TVector>.Run(weights, Lanes, 1, count, Tile.QueryCount, queryRows, channels, channels, sum,
            channels, isSum: false);
        int columns = Tile.KeyColumns.Count;
        (int row, int column) = Math.DivRem(first, columns);
        for (int key = 0; key < count; row++, column = 0)
        {
            float* target = (float*)gradients + PatchOffset(row, column);
            for (; column < columns && key < count; column++, key++, target += stride, sum += channels)
                ChannelRows<TSimd, TVector>.Add(sum, target, HeadSize);
        }
    }

    /// <summary>Adds the product of transposed weights [keys, lanes] and rows of keys to the sums of the
    /// queries.</summary>
    public void AddToQueries(float* weights, float* rows, nint stride, int count, bool isFirst)
        => BlockProduct<TSimd, TVector>.Run(weights, 1, Lanes, Tile.QueryCount, count, rows, stride, Scratch.RowStride,
            Scratch.Sums, Scratch.RowStride, isSum: !isFirst);

    /// <summary>The products of a block of rows and the transposed rows of queries, [keys, lanes].</summary>
    public void Products(float* rows, nint stride, int count, float* queries, float* result)
        => BlockProduct<TSimd, TVector>.Run(rows, stride, 1, count, HeadSize, queries, Lanes, Lanes, result, Lanes,
            isSum: false);

    /// <summary>Loads a value of every query; lanes without a query receive a constant.</summary>
    public void LoadLanes(nint source, float* target, float padding)
    {
        for (int lane = 0; lane < Lanes; lane++)
            target[lane] = lane < Tile.QueryCount ? ((float*)source)[QueryIndices[lane]] : padding;
    }

    /// <summary>Stores a value of every query.</summary>
    public void StoreLanes(float* source, nint target)
    {
        for (int lane = 0; lane < Tile.QueryCount; lane++)
            ((float*)target)[QueryIndices[lane]] = source[lane];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private nint PatchOffset(int row, int column)
        => ((((nint)Tile.KeyRows.Start + row) * GridColumns) + Tile.KeyColumns.Start + column) * _frame.KeyStride;
}

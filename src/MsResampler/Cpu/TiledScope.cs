using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>The grid's operands of a scope whose keys are projected: per tile and head the queries as the right operand
/// of a product, and the bias of each patch row and column.</summary>
internal sealed unsafe class TiledScope
{
    private readonly nint[] _queryOffsets;
    private readonly nint[] _biasOffsets;
    private readonly AlignedBuffer _packedQueries;
    private readonly AlignedBuffer? _bias;
    private readonly int _headSize;
    private readonly bool _isBiasPerHead;

    /// <param name="plan">The scope's plan.</param>
    /// <param name="queries">Projected and scaled queries, [M, D].</param>
    /// <param name="bias">The scope's bias.</param>
    /// <param name="config">The model.</param>
    public TiledScope(ScopePlan plan, AlignedBuffer queries, ScopeBias bias, ResamplerConfig config)
    {
        Tiles = plan.Tiles;
        MaxLaneCount = Tiles.Max(tile => tile.LaneCount);
        GridColumns = config.QueryGrid.Columns;
        _headSize = config.HeadSize;
        _isBiasPerHead = bias.IsPerHead;
        int headCount = config.AttentionHeadCount;
        int biasHeads = bias.IsPerHead ? headCount : 1;
        _queryOffsets = new nint[Tiles.Count];
        _biasOffsets = new nint[Tiles.Count];
        nint queryCount = 0;
        nint biasCount = 0;
        for (int index = 0; index < Tiles.Count; index++)
        {
            QueryTile tile = Tiles[index];
            _queryOffsets[index] = queryCount;
            queryCount += (nint)headCount * _headSize * tile.LaneCount;
            bool isBiased = bias.IsGaussian || !tile.IsFull;
            _biasOffsets[index] = isBiased ? biasCount : -1;
            biasCount += isBiased ? biasHeads * BiasCount(tile) : 0;
        }

        _packedQueries = new AlignedBuffer(queryCount);
        _bias = biasCount > 0 ? new AlignedBuffer(biasCount) : null;
        for (int index = 0; index < Tiles.Count; index++)
        {
            PackQueries(index, queries.Pointer, config.HiddenSize, headCount);
            if (_biasOffsets[index] >= 0)
                for (int head = 0; head < biasHeads; head++)
                    FillBias(index, head, bias);
        }
    }

    public IReadOnlyList<QueryTile> Tiles { get; }

    /// <summary>Columns of the query grid.</summary>
    public int GridColumns { get; }

    /// <summary>The widest tile.</summary>
    public int MaxLaneCount { get; }

    public long Bytes => sizeof(float) * (long)(_packedQueries.Count + (_bias?.Count ?? 0));

    /// <summary>The queries of a tile and head, [d, lanes]; lanes without a query are zero.</summary>
    public float* Queries(int tile, int head)
        => _packedQueries.Pointer + _queryOffsets[tile] + ((nint)head * _headSize * Tiles[tile].LaneCount);

    /// <summary>The bias of a tile and head in base 2, [key rows, lanes] and behind it [key columns, lanes]; null where
    /// it is zero everywhere.</summary>
    public float* Bias(int tile, int head) => _biasOffsets[tile] < 0 ? null
        : _bias!.Pointer + _biasOffsets[tile] + (_isBiasPerHead ? head * BiasCount(Tiles[tile]) : 0);

    private static nint BiasCount(QueryTile tile)
        => (nint)(tile.KeyRows.Count + tile.KeyColumns.Count) * tile.LaneCount;

    private void PackQueries(int index, float* queries, int width, int headCount)
    {
        QueryTile tile = Tiles[index];
        for (int lane = 0; lane < tile.QueryCount; lane++)
        {
            float* source = queries + ((nint)tile.QueryIndex(lane, GridColumns) * width);
            for (int head = 0; head < headCount; head++)
            {
                float* target = Queries(index, head) + lane;
                for (int k = 0; k < _headSize; k++)
                    target[(nint)k * tile.LaneCount] = source[((nint)head * _headSize) + k];
            }
        }
    }

    private void FillBias(int index, int head, ScopeBias bias)
    {
        QueryTile tile = Tiles[index];
        int rowCount = tile.KeyRows.Count * tile.LaneCount;
        int columnCount = tile.KeyColumns.Count * tile.LaneCount;
        float* table = Bias(index, head);
        for (int lane = 0; lane < tile.QueryCount; lane++)
        {
            bias.FillRows(tile.QueryRows.Start + (lane / tile.QueryColumns.Count), head, tile.KeyRows,
                new Span<float>(table + lane, rowCount - lane), tile.LaneCount);
            bias.FillColumns(tile.QueryColumns.Start + (lane % tile.QueryColumns.Count), head, tile.KeyColumns,
                new Span<float>(table + rowCount + lane, columnCount - lane), tile.LaneCount);
        }
    }
}

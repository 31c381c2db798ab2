namespace MsResampler.Cpu;

/// <summary>Something that grids need and may share: held by every grid that uses it, and counted once.</summary>
internal abstract class GridPart(PartKey key, AlignedBuffer memory)
{
    /// <summary>Equal for what is equal.</summary>
    public PartKey Key { get; } = key;

    public AlignedBuffer Memory { get; } = memory;

    public long Bytes => sizeof(float) * (long)Memory.Count;

    /// <summary>Grids that hold it, those included that are cached no longer but still read by a call. Changed by
    /// <see cref="GridParts"/> alone.</summary>
    public int UseCount { get; set; }

    /// <summary>Cached grids that hold it. Changed by <see cref="GridCache"/> alone.</summary>
    public int CachedCount { get; set; }
}

/// <summary>What a part is.</summary>
internal enum PartKind
{
    /// <summary>Sine–cosine positions along an axis.</summary>
    AxisPositions,

    /// <summary>A stored table of positions, resized.</summary>
    ResizedPositions,

    /// <summary>Queries packed by tile.</summary>
    TiledQueries,

    /// <summary>The rows' part of a bias by tile.</summary>
    TiledRowBias,

    /// <summary>The columns' part of a bias by tile.</summary>
    TiledColumnBias,

    /// <summary>Queries with k_proj folded in.</summary>
    FoldedQueries,

    /// <summary>The rows' part of a bias by query.</summary>
    AbsorbedRowBias,

    /// <summary>The columns' part of a bias by query.</summary>
    AbsorbedColumnBias,
}

/// <summary>All that a part depends on beside the model; what it does not depend on stays 0.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Scope">The scope.</param>
/// <param name="Rows">Rows of the patch grid.</param>
/// <param name="Columns">Columns of the patch grid.</param>
/// <param name="TileRows">Query rows of a whole tile.</param>
/// <param name="TileColumns">Query columns of a whole tile.</param>
internal readonly record struct PartKey(PartKind Kind, int Scope = 0, int Rows = 0, int Columns = 0, int TileRows = 0,
    int TileColumns = 0);

namespace MsResampler.Cpu;

/// <summary>Data that several grids may share. Every grid that uses a part holds a reference; its memory counts
/// once.</summary>
/// <param name="key">What the part depends on.</param>
/// <param name="memory">The data.</param>
internal abstract class GridPart(PartKey key, AlignedBuffer memory)
{
    /// <summary>What the part depends on. Parts with equal keys have equal data.</summary>
    public PartKey Key { get; } = key;

    public AlignedBuffer Memory { get; } = memory;

    public long Bytes => sizeof(float) * (long)Memory.Count;

    /// <summary>The number of grids that hold the part, including grids that have left the cache but that a
    /// call still reads. Only <see cref="GridParts"/> changes it.</summary>
    public int UseCount { get; set; }

    /// <summary>The number of cached grids that hold the part. Only <see cref="GridCache"/> changes it.</summary>
    public int CachedCount { get; set; }
}

/// <summary>The kind of a part.</summary>
internal enum PartKind
{
    /// <summary>Sine–cosine positions along an axis.</summary>
    AxisPositions,

    /// <summary>A stored table of positions, resized to the grid.</summary>
    ResizedPositions,

    /// <summary>Queries, packed by tile.</summary>
    TiledQueries,

    /// <summary>The row part of a bias, by tile.</summary>
    TiledRowBias,

    /// <summary>The column part of a bias, by tile.</summary>
    TiledColumnBias,

    /// <summary>Queries multiplied by k_proj.</summary>
    FoldedQueries,

    /// <summary>The row part of a bias, by query row.</summary>
    AbsorbedRowBias,

    /// <summary>The column part of a bias, by query column.</summary>
    AbsorbedColumnBias,

    /// <summary>Constants between frames of unequal grids.</summary>
    FrameOffsets,
}

/// <summary>The inputs of a part besides the model. Inputs that the part does not depend on are 0.</summary>
/// <param name="Kind">The kind of the part.</param>
/// <param name="Scope">The scope.</param>
/// <param name="Rows">Rows of the patch grid.</param>
/// <param name="Columns">Columns of the patch grid.</param>
/// <param name="TileRows">Query rows of a whole tile.</param>
/// <param name="TileColumns">Query columns of a whole tile.</param>
internal readonly record struct PartKey(PartKind Kind, int Scope = 0, int Rows = 0, int Columns = 0, int TileRows = 0,
    int TileColumns = 0);

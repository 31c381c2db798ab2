namespace MsResampler.Scenes;

/// <summary>The sizes of a scene.</summary>
internal static class SceneLayout
{
    /// <summary>Rows and columns of cells.</summary>
    public const int CellsPerSide = 4;

    public const int CellCount = CellsPerSide * CellsPerSide;

    /// <summary>Rows and columns of a quadrant, in cells.</summary>
    public const int QuadrantSide = CellsPerSide / 2;

    public const int QuadrantCount = 4;

    /// <summary>Rows and columns of a cell at scale 1, in pixels. A garment has half its resolution there: 14×14
    /// pixels.</summary>
    public const int CellSide = 16;

    /// <summary>Rows and columns of a patch at every scale, in pixels. Patches are not aligned with cells.</summary>
    public const int PatchSide = 4;

    /// <summary>The number of values of a patch.</summary>
    public const int FeatureSize = PatchSide * PatchSide;

    /// <summary>Rows and columns of the canvas, in pixels.</summary>
    /// <param name="scale">1 or 2; at 2 every garment has its full resolution.</param>
    public static int CanvasSide(int scale) => CellsPerSide * CellSide * scale;

    /// <summary>The patches of the canvas.</summary>
    /// <param name="scale">1 or 2.</param>
    public static PatchGrid Grid(int scale) => new(CanvasSide(scale) / PatchSide, CanvasSide(scale) / PatchSide);

    public static int CellAt(int row, int column) => (row * CellsPerSide) + column;

    /// <summary>The quadrant of a cell: 0 top left, 1 top right, 2 bottom left, 3 bottom right.</summary>
    public static int QuadrantOf(int cell)
        => (2 * (cell / CellsPerSide / QuadrantSide)) + (cell % CellsPerSide / QuadrantSide);
}

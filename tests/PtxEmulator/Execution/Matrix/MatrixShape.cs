namespace PtxEmulator.Execution;

/// <summary>The layout of the elements of a 16×8×K matrix multiplication in the registers of a warp. The threads form
/// eight groups of four; g is the group of a thread and t its index in the group.</summary>
/// <remarks>
/// 16-bit A: register i, half h: row g + 8·(i mod 2), column 2·t + h + 8·(i / 2); B: row 2·t + h + 8·i, column g.
/// 32-bit A: register i: row g + 8·(i mod 2), column t + 4·(i / 2); B: row t + 4·i, column g.
/// C and D: element i: row g + 8·(i / 2), column 2·t + (i mod 2).
/// </remarks>
/// <param name="Depth">K.</param>
/// <param name="ElementBits">16 or 32.</param>
internal readonly record struct MatrixShape(int Depth, int ElementBits)
{
    public const int Rows = 16;
    public const int Columns = 8;

    /// <summary>Elements per register.</summary>
    public int Packing => 32 / ElementBits;

    public int RegistersA => Rows * Depth / Packing / Lanes.Count;

    public int RegistersB => Columns * Depth / Packing / Lanes.Count;

    /// <summary>The number of columns of A, or rows of B, that one register of all threads covers.</summary>
    private int Span => 4 * Packing;

    public (int Row, int Column) PlaceOfA(int lane, int register, int half)
        => ((lane >> 2) + (8 * (register & 1)), ((lane & 3) * Packing) + half + (Span * (register >> 1)));

    public (int Row, int Column) PlaceOfB(int lane, int register, int half)
        => (((lane & 3) * Packing) + half + (Span * register), lane >> 2);

    public static (int Row, int Column) PlaceOfC(int lane, int element)
        => ((lane >> 2) + (8 * (element >> 1)), ((lane & 3) * 2) + (element & 1));
}

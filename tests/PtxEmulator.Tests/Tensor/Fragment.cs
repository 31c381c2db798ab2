namespace PtxEmulator.Tests;

/// <summary>The positions of the elements of a matrix in the registers of a warp, as drawn in PTX ISA
/// 9.7.14.</summary>
/// <remarks>Every fragment is composed of one kind of tile: eight rows of four lanes each. A lane holds a pair of
/// adjacent columns, in one register (16-bit operands) or in two (accumulators), or a single column (tf32).</remarks>
internal sealed class Fragment
{
    /// <summary>The lane that holds the element of a row (down) and of a column or pair of columns
    /// (across).</summary>
    private static readonly int[,] s_lanes =
    {
        { 0, 1, 2, 3 },
        { 4, 5, 6, 7 },
        { 8, 9, 10, 11 },
        { 12, 13, 14, 15 },
        { 16, 17, 18, 19 },
        { 20, 21, 22, 23 },
        { 24, 25, 26, 27 },
        { 28, 29, 30, 31 },
    };

    private readonly int[,] _tileElements;
    private readonly int _pairWidth;
    private readonly bool _isTransposed;

    /// <param name="tileElements">For each tile of the matrix, the first element index of a lane in that
    /// tile.</param>
    /// <param name="pairWidth">The number of adjacent elements of a row that one lane holds: 1 or 2.</param>
    /// <param name="isTransposed">Whether the rows of the tile are columns of the matrix, as in B.</param>
    private Fragment(int[,] tileElements, int pairWidth, bool isTransposed = false)
    {
        _tileElements = tileElements;
        _pairWidth = pairWidth;
        _isTransposed = isTransposed;
    }

    /// <summary>A of m16n8k16, 16-bit: elements a0 to a7, two in a register.</summary>
    public static Fragment A16 { get; } = new(new[,] { { 0, 4 }, { 2, 6 } }, 2);

    /// <summary>B of m16n8k16, 16-bit: elements b0 to b3.</summary>
    public static Fragment B16 { get; } = new(new[,] { { 0 }, { 2 } }, 2, isTransposed: true);

    /// <summary>A of m16n8k8, tf32: elements a0 to a3.</summary>
    public static Fragment A32 { get; } = new(new[,] { { 0, 2 }, { 1, 3 } }, 1);

    /// <summary>B of m16n8k8, tf32: elements b0 and b1.</summary>
    public static Fragment B32 { get; } = new(new[,] { { 0 }, { 1 } }, 1, isTransposed: true);

    /// <summary>C and D of all shapes: elements c0 to c3.</summary>
    public static Fragment Accumulator { get; } = new(new[,] { { 0 }, { 2 } }, 2);

    /// <summary>One matrix of ldmatrix: two elements in a register.</summary>
    public static Fragment Matrix { get; } = new(new[,] { { 0 } }, 2);

    /// <summary>The lane that holds an element, and the index of the element in that lane.</summary>
    public (int Lane, int Element) this[int row, int column]
    {
        get
        {
            int rowCount = _isTransposed ? 4 * _pairWidth : 8;
            int columnCount = _isTransposed ? 8 : 4 * _pairWidth;
            (int down, int across) = (row % rowCount, column % columnCount);
            if (_isTransposed)
                (down, across) = (across, down);
            return (s_lanes[down, across / _pairWidth],
                _tileElements[row / rowCount, column / columnCount] + (across % _pairWidth));
        }
    }
}

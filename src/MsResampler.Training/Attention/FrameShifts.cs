using MsResampler.Model;

namespace MsResampler.Training.Attention;

/// <summary>What the biases of frames of unequal grids are shifted by, relative to the largest shift in the
/// group.</summary>
/// <remarks>The bias of each frame is 0 at its nearest patch (see <see cref="ScopeBias"/>). Under one softmax over
/// frames of unequal grids these shifts differ, and are part of the logits. A constant per query and axis drops out,
/// so shifts are relative to the largest along each axis, and their sum to the largest sum: next to the huge shifts
/// of a tiny sigma, small differences would be lost.</remarks>
internal sealed unsafe class FrameShifts
{
    private readonly QueryGrid _queries;
    private readonly int _frameCount;
    private readonly double[] _rows;
    private readonly double[] _columns;

    private FrameShifts(ScopeConfig scope, QueryGrid queries, in HeadGroup group, ReadOnlySpan<HeadFrame> frames)
    {
        _queries = queries;
        _frameCount = frames.Length;
        _rows = new double[frames.Length * queries.Rows];
        _columns = new double[frames.Length * queries.Columns];
        for (int frame = 0; frame < frames.Length; frame++)
        {
            FrameGeometry geometry = frames[frame].Geometry;
            FrameSigma sigma = FrameSigma.Of(scope, group, geometry.Grid);
            for (int row = 0; row < queries.Rows; row++)
                _rows[(frame * queries.Rows) + row] = geometry.Rows[row].Offset(sigma.Rows);
            for (int column = 0; column < queries.Columns; column++)
                _columns[(frame * queries.Columns) + column] = geometry.Columns[column].Offset(sigma.Columns);
        }

        SubtractLargest(_rows, queries.Rows);
        SubtractLargest(_columns, queries.Columns);
    }

    /// <summary>The shifts of a group; null if they are all 0.</summary>
    public static FrameShifts? Of(ScopeConfig scope, QueryGrid queries, in HeadGroup group,
        ReadOnlySpan<HeadFrame> frames)
    {
        for (int frame = 1; scope.Prior == ScopePrior.Gaussian && frame < frames.Length; frame++)
            if (frames[frame].Geometry.Grid != frames[0].Geometry.Grid)
                return new FrameShifts(scope, queries, group, frames);
        return null;
    }

    /// <summary>Writes the shifts of the queries of a tile in base 2.</summary>
    /// <param name="frame">The frame.</param>
    /// <param name="queries">The indices of the queries.</param>
    /// <param name="count">The number of lanes.</param>
    /// <param name="shift">Receives what is added to the logits.</param>
    /// <param name="rowShift">Receives the part that depends on the sigma of the rows, at least
    /// <see cref="TileBias.Least"/>.</param>
    /// <param name="columnShift">Receives that of the columns.</param>
    public void Fill(int frame, int* queries, int count, float* shift, float* rowShift, float* columnShift)
    {
        for (int lane = 0; lane < count; lane++)
        {
            (int row, int column) = Math.DivRem(queries[lane], _queries.Columns);
            double largest = double.NegativeInfinity;
            for (int other = 0; other < _frameCount; other++)
                largest = Math.Max(largest, Row(other, row) + Column(other, column));
            shift[lane] = (float)Difference(Row(frame, row) + Column(frame, column), largest);
            rowShift[lane] = Clamp(Row(frame, row));
            columnShift[lane] = Clamp(Column(frame, column));
        }
    }

    private static float Clamp(double shift) => (float)Math.Max(shift, TileBias.Least);

    private double Row(int frame, int row) => _rows[(frame * _queries.Rows) + row];

    private double Column(int frame, int column) => _columns[(frame * _queries.Columns) + column];

    /// <summary>The difference from the largest value; 0 if both are −∞.</summary>
    private static double Difference(double value, double largest) => value == largest ? 0 : value - largest;

    private static void SubtractLargest(double[] shifts, int queryCount)
    {
        for (int query = 0; query < queryCount; query++)
        {
            double largest = double.NegativeInfinity;
            for (int index = query; index < shifts.Length; index += queryCount)
                largest = Math.Max(largest, shifts[index]);
            for (int index = query; index < shifts.Length; index += queryCount)
                shifts[index] = Difference(shifts[index], largest);
        }
    }
}

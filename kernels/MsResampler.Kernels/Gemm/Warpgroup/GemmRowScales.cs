using MsResampler.Kernels.Ptx.Writing;

namespace MsResampler.Kernels.Gemm.Warpgroup;

/// <summary>The factors of a tile's rows, as <see cref="RowSquares.ScaleOf"/> computes them, in shared memory. A thread
/// computes the factor of one row.</summary>
internal sealed class GemmRowScales
{
    /// <summary>Sums that a thread loads before it adds them, so that it waits for memory once.</summary>
    private const int ReadAtOnce = 32;

    private readonly PtxWriter _writer;
    private readonly GemmOperands _operands;
    private readonly int _rows;
    private readonly U32 _shared;
    private readonly F32 _scale;

    /// <param name="writer">The writer.</param>
    /// <param name="operands">The parameters.</param>
    /// <param name="rows">Rows of a tile, at most the threads of a block.</param>
    /// <param name="shared">The address of shared memory for a float of each row.</param>
    public GemmRowScales(PtxWriter writer, GemmOperands operands, int rows, U32 shared)
    {
        (_writer, _operands, _rows, _shared) = (writer, operands, rows, shared);
        _scale = writer.FloatVariable(1);
    }

    /// <summary>Computes the factor of this thread's row; 1 if rows have no squares.</summary>
    /// <param name="firstRow">The first row of the tile.</param>
    public void Prepare(U32 firstRow)
    {
        U32 count = _operands.Scaling.Integer(nameof(GemmScaling.SquareCount));
        _writer.If(count.IsNot(0), () => _writer.If(_writer.Thread < _rows, () =>
        {
            U32 row = _writer.Min(firstRow + _writer.Thread,
                _operands.Layout.Integer(nameof(GemmLayout.RowCount)) - 1);
            U32 stride = _operands.Scaling.Integer(nameof(GemmScaling.SquareStride));
            F32 sum = _writer.FloatVariable(0);
            U32 first = _writer.Variable(0);
            _writer.Repeat(() =>
            {
                F32[] parts = _writer.Floats(ReadAtOnce);
                for (int part = 0; part < ReadAtOnce; part++)
                {
                    _writer.Set(parts[part], 0f);
                    _writer.LoadGlobal(parts[part], _writer.WideMultiplyAdd(
                        _writer.MultiplyAdd(first + part, stride, row), sizeof(float), _operands.Squares.Address),
                        first + part < count);
                }

                foreach (F32 part in parts)
                    _writer.Set(sum, sum + part);
                _writer.Set(first, first + ReadAtOnce);
                return first < count;
            });
            F32 unit = _writer.FloatVariable(0);
            _writer.LoadGlobal(unit, _writer.WideMultiplyAdd(row, sizeof(float), _operands.Units.Address));
            F32 root = _operands.Scaling.Float(nameof(GemmScaling.RootEpsilon)) * unit;
            F32 mean = sum / _writer.ToFloat(_operands.Scaling.Integer(nameof(GemmScaling.Width)));
            _writer.Set(_scale,
                _writer.ReciprocalSqrt(_writer.Max(_writer.Fma(root, root, mean), RowSquares.LeastSquare)));
        }));
    }

    /// <summary>Makes the factors available to all threads of the block, which all take part.</summary>
    public void Finish()
    {
        _writer.If(_writer.Thread < _rows,
            () => _writer.StoreShared(_shared + (_writer.Thread * sizeof(float)), _scale));
        _writer.Barrier();
    }

    /// <summary>The factor of a row of the tile.</summary>
    /// <param name="row">The row.</param>
    /// <param name="offset">Added to it.</param>
    public F32 Load(U32 row, int offset)
        => _writer.LoadShared(_shared + (row * sizeof(float)), offset * sizeof(float));
}

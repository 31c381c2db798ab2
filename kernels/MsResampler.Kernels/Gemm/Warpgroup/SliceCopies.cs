using MsResampler.Kernels.Ptx.Writing;

namespace MsResampler.Kernels.Gemm.Warpgroup;

/// <summary>The copies of a block: slices of A and W of one tile after the other, into a ring of stages in shared
/// memory. They run ahead of the products, also into the next tile, whose first slices arrive while a tile is
/// stored.</summary>
/// <remarks>Eight threads copy a row of a slice. Copies beyond the last column of A and W read no bytes and write
/// zeros. Rows beyond the last one repeat it and are never stored.</remarks>
internal sealed class SliceCopies
{
    private readonly PtxWriter _writer;
    private readonly GemmTiles _tiles;
    private readonly U32 _innerVectors;
    private readonly U32 _sliceCount;
    private readonly U32 _chunk;
    private readonly U32 _copyRow;
    private readonly int _rowsAtOnce;
    private readonly int _stageBytes;
    private readonly int _ringBytes;
    private readonly int _aBytes;
    private readonly U32 _aPlace;
    private readonly U32 _wPlace;
    private readonly Operand _a;
    private readonly Operand _w;
    private readonly U32 _stride;
    private readonly U32 _tile;
    private readonly U32 _slice;
    private readonly U32 _stage;

    /// <summary>Prepares the copies of this block's first tile.</summary>
    /// <param name="writer">The writer.</param>
    /// <param name="operands">The parameters.</param>
    /// <param name="tiles">The tiles.</param>
    /// <param name="shared">The address of the ring.</param>
    /// <param name="shape">Threads of the block, rows of A and W in a tile, and stages.</param>
    public SliceCopies(PtxWriter writer, GemmOperands operands, GemmTiles tiles, U32 shared,
        (int Threads, int Rows, int Columns, int Stages) shape)
    {
        (_writer, _tiles) = (writer, tiles);
        _innerVectors = operands.Layout.Integer(nameof(GemmLayout.InnerVectors));
        _sliceCount = (_innerVectors + (SliceTile.RowChunks - 1)) / SliceTile.RowChunks;
        _rowsAtOnce = shape.Threads / SliceTile.RowChunks;
        _aBytes = shape.Rows * SliceTile.RowBytes;
        _stageBytes = (shape.Rows + shape.Columns) * SliceTile.RowBytes;
        _ringBytes = shape.Stages * _stageBytes;
        U32 thread = writer.Thread;
        _chunk = thread % SliceTile.RowChunks;
        _copyRow = thread / SliceTile.RowChunks;
        _aPlace = shared + PlaceOf(_copyRow);
        _wPlace = shared + PlaceOf(SliceTile.ColumnOf(_copyRow)) + _aBytes;
        _a = new Operand(operands.A.Address, operands.Layout.Integer(nameof(GemmLayout.ABatchStride)),
            operands.Layout.Integer(nameof(GemmLayout.AStride)),
            operands.Layout.Integer(nameof(GemmLayout.RowCount)) - 1, writer.Addresses(shape.Rows / _rowsAtOnce));
        _w = new Operand(operands.W.Address, operands.Layout.Integer(nameof(GemmLayout.WBatchStride)),
            operands.Layout.Integer(nameof(GemmLayout.WStride)),
            (operands.Layout.Integer(nameof(GemmLayout.ColumnQuads)) * 4) - 1,
            writer.Addresses(shape.Columns / _rowsAtOnce));
        _stride = writer.BlockCount;
        _tile = writer.Variable(writer.Block);
        _slice = writer.Variable(0);
        _stage = writer.Variable(0);
        FindRows();
    }

    /// <summary>Slices of a tile.</summary>
    public U32 SliceCount => _sliceCount;

    /// <summary>Starts the copies of the next slice, if there is one, as one group.</summary>
    public void StartNext()
    {
        _writer.If(_tile < _tiles.Count, () =>
        {
            U32 vector = (_slice * SliceTile.RowChunks) + _chunk;
            U32 byteCount = _writer.Select(vector < _innerVectors, SliceTile.ChunkBytes, 0);
            U64 column = _writer.Widen(_writer.Min(vector, _innerVectors - 1) * SliceTile.ChunkBytes);
            StartRows(_a, _aPlace, column, byteCount);
            StartRows(_w, _wPlace, column, byteCount);
            _writer.Set(_slice, _slice + 1);
            _writer.If(_slice >= _sliceCount, () =>
            {
                _writer.Set(_slice, 0);
                _writer.Set(_tile, _tile + _stride);
                FindRows();
            });
        });
        _writer.CommitCopies();
        Advance(_stage);
    }

    /// <summary>Moves the offset of a stage to the next one.</summary>
    /// <param name="stage">A variable, in bytes.</param>
    public void Advance(U32 stage)
    {
        U32 next = stage + _stageBytes;
        _writer.Set(stage, _writer.Select(next.IsNot(_ringBytes), next, 0));
    }

    private U32 PlaceOf(U32 row)
        => (row * SliceTile.RowBytes) + ((_chunk ^ (row % SliceTile.RowChunks)) * SliceTile.ChunkBytes);

    private void StartRows(Operand operand, U32 place, U64 column, U32 byteCount)
    {
        U32 shared = place + _stage;
        for (int copy = 0; copy < operand.Rows.Length; copy++)
        {
            _writer.StartCopy(shared, copy * _rowsAtOnce * SliceTile.RowBytes, operand.Rows[copy] + column, byteCount);
        }
    }

    /// <summary>Computes the addresses of this thread's rows of the tile.</summary>
    private void FindRows()
    {
        (U32 product, U32 firstRow, U32 firstColumn) = _tiles.At(_tile);
        FindRows(_a, product, firstRow);
        FindRows(_w, product, firstColumn);
    }

    private void FindRows(Operand operand, U32 product, U32 first)
    {
        U32 start = product * operand.BatchStride;
        U32 row = first + _copyRow;
        for (int copy = 0; copy < operand.Rows.Length; copy++)
        {
            U32 vector = _writer.MultiplyAdd(_writer.Min(row + (copy * _rowsAtOnce), operand.LastRow), operand.Stride,
                start);
            _writer.Set(operand.Rows[copy], _writer.WideMultiplyAdd(vector, SliceTile.ChunkBytes, operand.Address));
        }
    }

    /// <summary>A or W.</summary>
    /// <param name="Address">Its address.</param>
    /// <param name="BatchStride">Vectors from one product to the next.</param>
    /// <param name="Stride">Vectors from one row to the next.</param>
    /// <param name="LastRow">The last row.</param>
    /// <param name="Rows">The addresses of this thread's rows.</param>
    private sealed record Operand(U64 Address, U32 BatchStride, U32 Stride, U32 LastRow, U64[] Rows);
}

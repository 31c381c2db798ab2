using MsResampler.Kernels.Ptx.Writing;

namespace MsResampler.Kernels.Gemm.Warpgroup;

/// <summary>The last part of a tile: bias, scale, table and sums of squares, the type of C, and the note of overflows.
/// A thread has rows g and g+8 of its warp's 16 rows (<see cref="WarpgroupSums"/>).</summary>
/// <typeparam name="TEpilogue">The final operation on each element; not GELU.</typeparam>
/// <typeparam name="TOutput">The type of C.</typeparam>
internal sealed class GemmFinish<TEpilogue, TOutput>
    where TEpilogue : struct, IGemmMmaEpilogue
    where TOutput : struct, IGemmMmaOutput
{
    private const int QuadBytes = 4 * sizeof(float);

    private readonly PtxWriter _writer;
    private readonly GemmOperands _operands;
    private readonly GemmRowScales? _scales;
    private readonly U32 _rowInTile;
    private readonly U32 _lane;
    private readonly U32 _rowCount;
    private readonly U32 _columnQuads;
    private readonly F32 _limit;

    /// <param name="writer">The writer.</param>
    /// <param name="operands">The parameters.</param>
    /// <param name="rows">Rows of C in a tile.</param>
    /// <param name="scales">The address of shared memory for a float of each row; read if there are scales.</param>
    public GemmFinish(PtxWriter writer, GemmOperands operands, int rows, U32 scales)
    {
        if (typeof(TEpilogue) == typeof(GeluEpilogue))
            throw new NotSupportedException("products by warpgroups have no GELU");
        (_writer, _operands) = (writer, operands);
        U32 thread = writer.Thread;
        _lane = thread % 32;
        _rowInTile = (thread / 32 * 16) + (_lane / 4);
        _rowCount = operands.Layout.Integer(nameof(GemmLayout.RowCount));
        _columnQuads = operands.Layout.Integer(nameof(GemmLayout.ColumnQuads));
        _limit = writer.Min(operands.Layout.Float(nameof(GemmLayout.Limit)), TOutput.Limit);
        if (TEpilogue.IsScaled)
            _scales = new GemmRowScales(writer, operands, rows, scales);
    }

    private static MatrixType? PackedType => typeof(TOutput) == typeof(GemmMmaFloat16) ? MatrixType.Float16
        : typeof(TOutput) == typeof(GemmMmaBFloat16) ? MatrixType.BFloat16 : null;

    /// <summary>Finishes a tile.</summary>
    /// <param name="sums">Its sums; the last products may still be on the way.</param>
    /// <param name="product">The product.</param>
    /// <param name="firstRow">The first row of the tile.</param>
    /// <param name="firstColumn">The first column of the tile.</param>
    public void StoreTile(WarpgroupSums sums, U32 product, U32 firstRow, U32 firstColumn)
    {
        U32 row = firstRow + _rowInTile;
        U32 firstQuad = (firstColumn / 4) + (_lane % 4);
        U32 quads = _writer.Max(_columnQuads, firstQuad) - firstQuad;
        _scales?.Prepare(firstRow);
        Row upper = RowAt(product, row, firstQuad);
        Row lower = RowAt(product, row + 8, firstQuad);
        U64 bias = _writer.WideMultiplyAdd(
            _writer.MultiplyAdd(product, _operands.Layout.Integer(nameof(GemmLayout.BiasBatchStride)), firstQuad),
            QuadBytes, _operands.Bias.Address);
        U32 tableQuads = 0;
        if (TEpilogue.IsScaled)
        {
            U32 width = _operands.Scaling.Integer(nameof(GemmScaling.TableQuads));
            tableQuads = _writer.Max(width, firstQuad) - firstQuad;
            _scales!.Finish();
            upper = upper.ScaledBy(_scales.Load(_rowInTile, 0));
            lower = lower.ScaledBy(_scales.Load(_rowInTile, 8));
        }

        sums.Wait(0);
        for (int pair = 0; pair < sums.PairCount; pair++)
        {
            Predicate isColumn = quads > 4 * pair;
            F32[] addend = LoadQuad(bias, pair, isColumn);
            Predicate? isTable = TEpilogue.IsScaled ? tableQuads > 4 * pair : null;
            FinishQuad(upper, sums.Upper(pair), addend, pair, isColumn, isTable);
            FinishQuad(lower, sums.Lower(pair), addend, pair, isColumn, isTable);
            if (TEpilogue.StoresSquares && pair % 2 == 1)
                StoreSquares(firstColumn, pair / 2, row, upper.Squares, lower.Squares);
        }

        Note(sums, quads, row, upper, lower);
    }

    /// <summary>Four neighbouring floats of a row of quads; zeros if the condition is false.</summary>
    private F32[] LoadQuad(U64 row, int pair, Predicate condition)
    {
        F32[] quad = [.. Enumerable.Range(0, 4).Select(_ => _writer.FloatVariable(0))];
        _writer.LoadGlobal(quad, row, 4 * pair * QuadBytes, condition);
        return quad;
    }

    private Row RowAt(U32 product, U32 row, U32 firstQuad)
    {
        U32 place = _writer.MultiplyAdd(row, _operands.Layout.Integer(nameof(GemmLayout.CRowStride)),
            _writer.MultiplyAdd(product, _operands.Layout.Integer(nameof(GemmLayout.CBatchStride)), firstQuad));
        U64 address = _writer.WideMultiplyAdd(place, 4 * TOutput.Bytes, _operands.C.Address);
        Row result = new(address, row < _rowCount, _writer.FloatVariable(0),
            TEpilogue.StoresSquares ? _writer.FloatVariable(0) : default, default, default);
        if (!TEpilogue.IsScaled)
            return result;
        U32 start = _writer.Variable(0);
        _writer.If(_operands.Scaling.Integer(nameof(GemmScaling.TableQuads)).IsNot(0), () => _writer.Set(start,
            _writer.LoadGlobal(_writer.WideMultiplyAdd(_writer.Min(row, _rowCount - 1), sizeof(int),
                _operands.TableStarts.Address))));
        return result with
        {
            Table = _writer.WideMultiplyAdd(start + firstQuad, QuadBytes, _operands.Table.Address),
        };
    }

    /// <summary>Computes and stores a quad of a row; the sums become the final values.</summary>
    private void FinishQuad(Row row, F32[] sums, F32[] addend, int pair, Predicate isColumn, Predicate? isTable)
    {
        F32[]? table = isTable is { } isInTable ? LoadQuad(row.Table, pair, isInTable) : null;
        for (int element = 0; element < sums.Length; element++)
        {
            F32 value = table is null ? sums[element] + addend[element]
                : _writer.Fma(row.Scale, sums[element], addend[element]) + table[element];
            _writer.Set(sums[element], value);
            _writer.SetMaxOrNaN(row.Largest, _writer.Abs(value), isColumn);
            if (TEpilogue.StoresSquares)
                _writer.SetFma(row.Squares, value, value, isColumn);
        }

        StoreQuad(row, sums, pair, isColumn & row.IsValid);
    }

    private void StoreQuad(Row row, F32[] values, int pair, Predicate condition)
    {
        int offset = 16 * pair * TOutput.Bytes;
        if (PackedType is not { } type)
        {
            _writer.StoreGlobal(row.Address, offset, values, condition);
            return;
        }

        _writer.StoreGlobal(row.Address, offset, _writer.Pack(type, values[0], values[1]),
            _writer.Pack(type, values[2], values[3]), condition);
    }

    /// <summary>Stores the sums of 32 columns as <see cref="RowSquares"/> does, and clears them.</summary>
    private void StoreSquares(U32 firstColumn, int part, U32 row, F32 upper, F32 lower)
    {
        F32 upperSum = upper + _writer.ShuffleXor(upper, 1);
        F32 lowerSum = lower + _writer.ShuffleXor(lower, 1);
        upperSum += _writer.ShuffleXor(upperSum, 2);
        lowerSum += _writer.ShuffleXor(lowerSum, 2);
        U32 half = _lane % 4;
        U32 column = (firstColumn / 32) + part;
        U32 storedRow = row + (half * 8);
        Predicate isPart = (column * RowSquares.ColumnQuads) < _columnQuads;
        U32 place = _writer.MultiplyAdd(column, _operands.Scaling.Integer(nameof(GemmScaling.SquareStride)), storedRow);
        _writer.StoreGlobal(_writer.WideMultiplyAdd(place, sizeof(float), _operands.Squares.Address),
            _writer.SelectFloat(half.IsNot(0), lowerSum, upperSum), isPart & (half < 2) & (storedRow < _rowCount));
        _writer.Set(upper, 0f);
        _writer.Set(lower, 0f);
    }

    /// <summary>Where an element is outside the limit, stores NaN in its place, and notes the lowest row.</summary>
    private void Note(WarpgroupSums sums, U32 quads, U32 row, Row upper, Row lower)
    {
        Predicate isUpper = upper.IsValid & !(upper.Largest < _limit);
        Predicate isLower = lower.IsValid & !(lower.Largest < _limit);
        _writer.If(isUpper | isLower, () =>
        {
            for (int pair = 0; pair < sums.PairCount; pair++)
            {
                StoreQuad(upper, Inside(sums.Upper(pair)), pair, (quads > 4 * pair) & isUpper);
                StoreQuad(lower, Inside(sums.Lower(pair)), pair, (quads > 4 * pair) & isLower);
            }

            _writer.If(_operands.Note.Length.IsNot(0), () => _writer.MaxGlobal(_operands.Note.Address,
                int.MaxValue - (_operands.Layout.Integer(nameof(GemmLayout.FirstNoted))
                    + _writer.Select(isUpper, row, row + 8))));
        });
    }

    private F32[] Inside(F32[] values)
        => [.. values.Select(value => _writer.SelectFloat(_writer.Abs(value) < _limit, value, float.NaN))];

    /// <summary>A row of this thread.</summary>
    /// <param name="Address">The address of its first quad in C.</param>
    /// <param name="IsValid">Whether C has the row.</param>
    /// <param name="Largest">The largest magnitude; NaN if an element is NaN.</param>
    /// <param name="Squares">The sum of squares; a <see cref="SquaresEpilogue"/> only.</param>
    /// <param name="Scale">The factor; a <see cref="ScaledEpilogue"/> only.</param>
    /// <param name="Table">The address of its first quad in the table; a <see cref="ScaledEpilogue"/> only.</param>
    private sealed record Row(U64 Address, Predicate IsValid, F32 Largest, F32 Squares, F32 Scale, U64 Table)
    {
        public Row ScaledBy(F32 scale) => this with { Scale = scale };
    }
}

using MsResampler.Kernels.Ptx.Writing;

namespace MsResampler.Kernels.Gemm.Warpgroup;

/// <summary>The tiles of all products of a launch, numbered in the order in which blocks compute them: product by
/// product, and in bands along the rows as for the other kernel, so that concurrent blocks share data in the
/// second-level cache.</summary>
internal sealed class GemmTiles
{
    /// <summary>Tiles along the rows of a band: together with as many tiles along the columns, 64 tiles read the rows
    /// and columns of 16.</summary>
    private const int BandRows = 8;

    private readonly PtxWriter _writer;
    private readonly int _rows;
    private readonly int _columns;
    private readonly U32 _rowTiles;
    private readonly U32 _columnTiles;
    private readonly U32 _productTiles;

    /// <param name="writer">The writer.</param>
    /// <param name="operands">The parameters.</param>
    /// <param name="rows">Rows of C in a tile.</param>
    /// <param name="columns">Columns of C in a tile.</param>
    public GemmTiles(PtxWriter writer, GemmOperands operands, int rows, int columns)
    {
        (_writer, _rows, _columns) = (writer, rows, columns);
        _rowTiles = (operands.Layout.Integer(nameof(GemmLayout.RowCount)) + (rows - 1)) / rows;
        _columnTiles = ((operands.Layout.Integer(nameof(GemmLayout.ColumnQuads)) * 4) + (columns - 1)) / columns;
        _productTiles = _rowTiles * _columnTiles;
        Count = _productTiles * operands.ProductCount;
    }

    /// <summary>Tiles of all products.</summary>
    public U32 Count { get; }

    /// <summary>The place of a tile.</summary>
    /// <param name="tile">Its number; a number beyond the last one gives any place.</param>
    public (U32 Product, U32 FirstRow, U32 FirstColumn) At(U32 tile)
    {
        U32 product = tile / _productTiles;
        U32 inProduct = tile - (product * _productTiles);
        U32 bandTiles = _columnTiles * BandRows;
        U32 firstTile = inProduct / bandTiles * BandRows;
        U32 inBand = inProduct % bandTiles;
        U32 bandRows = _writer.Min(_rowTiles - firstTile, BandRows);
        U32 column = inBand / bandRows;
        return (product, (firstTile + (inBand - (column * bandRows))) * _rows, column * _columns);
    }
}

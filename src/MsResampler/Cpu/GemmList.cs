using MsResampler.Cpu.Integer;
using MsResampler.Cpu.Simd;

namespace MsResampler.Cpu;

/// <summary>Matrix products over the same number of rows, cut into tasks of one panel of B and a chunk of
/// rows.</summary>
internal sealed unsafe class GemmList<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Rows of the largest chunk.</summary>
    private const int MaxChunkRows = 288;

    private readonly List<Product> _products = [];
    private int _rowCount;
    private int _chunkRows;
    private int _chunkCount;
    private int _threadCount;

    // The panel that the scratch memory of each thread holds in float32; −1 for none.
    private int[] _heldPanels = [];

    private readonly record struct Product(nint A, int AStride, IntegerRows Rows, WeightMatrix B, nint C, int CStride,
        HeadLayout Heads, int FirstPanel);

    /// <summary>The number of tasks, once <see cref="Cut"/> was called.</summary>
    public int TaskCount => PanelCount * _chunkCount;

    private int PanelCount => _products.Count == 0 ? 0 : _products[^1].FirstPanel + _products[^1].B.PanelCount;

    /// <summary>Starts a new list of products over <paramref name="rowCount"/> rows.</summary>
    public void Start(int rowCount)
    {
        _products.Clear();
        _rowCount = rowCount;
    }

    /// <summary>Adds the product of <paramref name="a"/> and <paramref name="b"/>, written to rows of
    /// <paramref name="c"/>. Strides are in floats.</summary>
    /// <param name="a">The left operand, if <paramref name="b"/> is in float32.</param>
    /// <param name="aStride">Floats between its rows.</param>
    /// <param name="rows">The left operand, if <paramref name="b"/> has integers.</param>
    /// <param name="b">The right operand.</param>
    /// <param name="c">Receives the product.</param>
    /// <param name="cStride">Floats between its rows.</param>
    public void Add(float* a, int aStride, in IntegerRows rows, WeightMatrix b, float* c, int cStride)
        => _products.Add(new Product((nint)a, aStride, rows, b, (nint)c, cStride, default, PanelCount));

    /// <summary>Adds a product that is written head by head.</summary>
    /// <inheritdoc cref="Add(float*, int, in IntegerRows, WeightMatrix, float*, int)"/>
    public void Add(float* a, int aStride, in IntegerRows rows, WeightMatrix b, float* c, HeadLayout heads)
        => _products.Add(new Product((nint)a, aStride, rows, b, (nint)c, heads.RowStride, heads, PanelCount));

    /// <summary>Cuts the rows into chunks: small enough that every thread gets several tasks, large enough that
    /// a panel is read once for many rows.</summary>
    public void Cut(int threadCount)
    {
        _threadCount = threadCount;
        if (_heldPanels.Length != threadCount)
            _heldPanels = new int[threadCount];
        Array.Fill(_heldPanels, -1);
        if (_products.Count == 0)
            return;
        int wanted = Math.Max((_rowCount + MaxChunkRows - 1) / MaxChunkRows, 8 * threadCount / PanelCount);
        int rows = (_rowCount + wanted - 1) / wanted;
        int multiple = MicroKernel<TSimd, TVector>.RowMultiple;
        _chunkRows = (rows + multiple - 1) / multiple * multiple;
        _chunkCount = (_rowCount + _chunkRows - 1) / _chunkRows;
    }

    /// <summary>The part of the result that a task writes. The list must have one product.</summary>
    public (int FirstRow, int RowCount, int FirstColumn, int ColumnCount) ResultOf(int task)
    {
        (int panel, int chunk) = Math.DivRem(task, _chunkCount);
        int row = chunk * _chunkRows;
        return (row, Math.Min(_chunkRows, _rowCount - row), panel * _products[0].B.PanelWidth,
            _products[0].B.ColumnsOf(panel));
    }

    /// <summary>Runs one task.</summary>
    /// <param name="task">The task.</param>
    /// <param name="worker">The thread, below the number of threads.</param>
    /// <param name="scratch"><see cref="ModelOperands{TSimd,TVector}.ScratchCount"/> floats of the thread, which
    /// nothing else uses between the tasks of the list.</param>
    public void Execute(int task, int worker, float* scratch)
    {
        (int panel, int chunk) = Math.DivRem(task, _chunkCount);
        Product product = Find(panel);
        int row = chunk * _chunkRows;
        int rows = Math.Min(_chunkRows, _rowCount - row);
        float* c = (float*)product.C + ((nint)row * product.CStride);
        int own = panel - product.FirstPanel;
        if (product.B is IntegerMatrix integers)
        {
            if (product.Heads.HeadSize == 0)
                IntegerGemm<TSimd, TVector>.Panel(product.Rows, row, rows, integers, own, c, product.CStride);
            else
                IntegerGemm<TSimd, TVector>.PanelToHeads(product.Rows, row, rows, integers, own, c, product.Heads);
            return;
        }

        PackedMatrix matrix = (PackedMatrix)product.B;
        // Threads take tasks in order, so this thread is likely to need this panel next.
        int nextPanel = (task + _threadCount) / _chunkCount;
        PanelMemory next = default;
        if (nextPanel > panel && nextPanel < PanelCount && Find(nextPanel) is { B: PackedMatrix following } found)
            next = following.Memory(nextPanel - found.FirstPanel, 0, following.InnerCount);
        // The chunks of a panel are consecutive tasks, so a thread often has the panel of its last task.
        float* values = _heldPanels[worker] == panel ? scratch : matrix.Panel(own, scratch);
        _heldPanels[worker] = values == scratch ? panel : -1;
        float* a = (float*)product.A + ((nint)row * product.AStride);
        if (product.Heads.HeadSize == 0)
            Gemm<TSimd, TVector>.Panel(a, product.AStride, rows, matrix, own, c, product.CStride, next, values);
        else
            Gemm<TSimd, TVector>.PanelToHeads(a, product.AStride, rows, matrix, own, c, product.Heads, next,
                values);
    }

    private Product Find(int panel)
    {
        int index = _products.Count - 1;
        while (panel < _products[index].FirstPanel)
            index--;
        return _products[index];
    }
}

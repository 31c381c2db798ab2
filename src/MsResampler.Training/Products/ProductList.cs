using MsResampler.Cpu;
using MsResampler.Cpu.Simd;

namespace MsResampler.Training.Products;

/// <summary>Independent matrix products, cut into tasks of one panel of columns and a range of rows.</summary>
internal sealed unsafe class ProductList<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Tasks per thread: enough to balance the load at the end of a phase.</summary>
    private const int TasksPerThread = 8;

    /// <summary>Rows of the smallest range. A panel is copied for every range that another thread computes; this many
    /// rows keep the copies below a tenth of the time.</summary>
    private const int MinRows = 4 * 24;

    /// <summary>The least number of panels in a task that packs A; a product with fewer panels is one task.</summary>
    private const int MinPackedPanels = 4;

    private readonly List<Entry> _entries = [];

    // The panel that the scratch memory of each thread holds, counted over all products; −1 for none.
    private int[] _heldPanels = [];

    /// <summary>A product and its cut.</summary>
    /// <param name="Product">The product.</param>
    /// <param name="FirstTask">Tasks before it.</param>
    /// <param name="FirstPanel">Panels before it.</param>
    /// <param name="TaskPanels">Panels of a task; more than one if A is packed.</param>
    /// <param name="RangeRows">Rows of a task.</param>
    /// <param name="RangeCount">Ranges of rows.</param>
    private readonly record struct Entry(MatrixProduct Product, int FirstTask, int FirstPanel, int TaskPanels,
        int RangeRows, int RangeCount);

    /// <summary>The number of tasks, once <see cref="Cut"/> was called.</summary>
    public int TaskCount { get; private set; }

    /// <summary>Adds a product.</summary>
    public void Add(in MatrixProduct product) => _entries.Add(new Entry(product, 0, 0, 0, 0, 0));

    /// <summary>Cuts the products into tasks. Results do not depend on the cut.</summary>
    public void Cut(int threadCount)
    {
        _heldPanels = new int[threadCount];
        Array.Fill(_heldPanels, -1);
        long work = 0;
        foreach (Entry entry in _entries)
            work += entry.Product.Work;
        long taskWork = Math.Max(1, work / (TasksPerThread * threadCount));
        int tasks = 0;
        int panels = 0;
        for (int index = 0; index < _entries.Count; index++)
        {
            MatrixProduct product = _entries[index].Product;
            int panelCount = ProductKernel<TSimd, TVector>.PanelCount(product);
            long wanted = threadCount == 1 ? 1 : Math.Max(1, product.Work / taskWork);
            bool isPacked = product.AStep != 1 && panelCount > 1;
            int least = isPacked ? Ceiling(product.RowCount, ProductKernel<TSimd, TVector>.MaxPackedRows) : 1;
            int taskPanels = !isPacked ? 1 : (int)Math.Clamp(panelCount / Math.Max(1, wanted / least),
                Math.Min(MinPackedPanels, panelCount), ProductKernel<TSimd, TVector>.MaxPackedPanels);
            int groupCount = Ceiling(panelCount, taskPanels);
            int ranges = (int)Math.Clamp(wanted / groupCount, least,
                Math.Max(least, Ceiling(product.RowCount, MinRows)));
            int multiple = MicroKernel<TSimd, TVector>.RowMultiple;
            int rows = Ceiling(Ceiling(product.RowCount, ranges), multiple) * multiple;
            ranges = Ceiling(product.RowCount, rows);
            _entries[index] = new Entry(product, tasks, panels, taskPanels, rows, ranges);
            tasks += groupCount * ranges;
            panels += panelCount;
        }

        TaskCount = tasks;
    }

    /// <summary>Runs one task.</summary>
    /// <param name="task">The task.</param>
    /// <param name="worker">The thread, below the number of threads.</param>
    /// <param name="scratch"><see cref="ProductKernel{TSimd,TVector}.ScratchCount"/> floats of the thread, which
    /// nothing else uses between the tasks of the list.</param>
    /// <param name="cancellationToken">Cancels the task within it.</param>
    public void Execute(int task, int worker, float* scratch, CancellationToken cancellationToken)
    {
        int index = _entries.Count - 1;
        while (task < _entries[index].FirstTask)
            index--;
        Entry entry = _entries[index];
        MatrixProduct product = entry.Product;
        (int own, int range) = Math.DivRem(task - entry.FirstTask, entry.RangeCount);
        int row = range * entry.RangeRows;
        int rows = Math.Min(entry.RangeRows, product.RowCount - row);
        if (entry.TaskPanels > 1)
        {
            int first = own * entry.TaskPanels;
            ProductKernel<TSimd, TVector>.RunPacked(product, first, Math.Min(first + entry.TaskPanels,
                ProductKernel<TSimd, TVector>.PanelCount(product)), row, rows, scratch, cancellationToken);
            _heldPanels[worker] = -1;
            return;
        }

        int panel = entry.FirstPanel + own;
        ProductKernel<TSimd, TVector>.Run(product, own, row, rows, scratch, isHeld: _heldPanels[worker] == panel,
            cancellationToken);
        _heldPanels[worker] = ProductKernel<TSimd, TVector>.IsOneBlock(product) ? panel : -1;
    }

    private static int Ceiling(int count, int divisor) => (count + divisor - 1) / divisor;
}

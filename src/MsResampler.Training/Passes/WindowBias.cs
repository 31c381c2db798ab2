using System.Runtime.CompilerServices;
using MsResampler.Cpu;
using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Training.Attention;

namespace MsResampler.Training.Passes;

/// <summary>The Gaussian bias of the windows of a scope on one grid, with heads as lanes: a table per query row and one
/// per query column.</summary>
internal sealed unsafe class WindowBias
{
    private readonly QueryGrid _queries;
    private readonly ScopeWindows _windows;
    private readonly ScopeBias _bias;
    private readonly int _headCount;
    private readonly int _lanes;
    private readonly int _rowCount;
    private readonly int _columnCount;
    private float* _rows;
    private float* _columns;

    /// <param name="config">The model.</param>
    /// <param name="scope">The scope.</param>
    /// <param name="windows">The windows.</param>
    /// <param name="logSigma">The learned log sigma, or null.</param>
    /// <param name="lanes">Heads in whole vectors.</param>
    public WindowBias(ResamplerConfig config, ScopeConfig scope, ScopeWindows windows, TrainableTensor? logSigma,
        int lanes)
    {
        _queries = config.QueryGrid;
        _headCount = config.AttentionHeadCount;
        _windows = windows;
        _lanes = lanes;
        _bias = new ScopeBias(scope, windows, _queries, logSigma is null ? null
            : Array.ConvertAll(logSigma.Values.ToArray(), value => (double)value));
        _rowCount = windows.Rows.Max(range => range.Count);
        _columnCount = windows.Columns.Max(range => range.Count);
    }

    /// <summary>The number of tasks that compute the tables.</summary>
    public int TaskCount => _bias.IsMask ? 0 : _queries.Rows + _queries.Columns;

    /// <summary>Takes the memory of the tables.</summary>
    public void Place(ref PassMemory memory)
    {
        if (_bias.IsMask)
            return;
        _rows = memory.Take((long)_queries.Rows * _rowCount * _lanes);
        _columns = memory.Take((long)_queries.Columns * _columnCount * _lanes);
    }

    /// <summary>Computes the table of one query row or column.</summary>
    public void Fill(int task)
    {
        bool isRow = task < _queries.Rows;
        int query = isRow ? task : task - _queries.Rows;
        AxisRange patches = isRow ? _windows.Rows[query] : _windows.Columns[query];
        float* target = isRow ? RowsOf(query) : ColumnsOf(query);
        new Span<float>(target, patches.Count * _lanes).Clear();
        for (int head = 0; head < _headCount; head++)
        {
            Span<float> table = new(target + head, (patches.Count * _lanes) - head);
            if (isRow)
                _bias.FillRows(query, head, patches, table, _lanes);
            else
                _bias.FillColumns(query, head, patches, table, _lanes);
        }
    }

    /// <summary>Adds the bias to one vector of heads of the logits of a query, [patches, lanes].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void AddTo<TSimd, TVector>(float* logits, int lane, in WindowQuery window)
        where TSimd : struct, ISimd<TVector>
    {
        if (_bias.IsMask)
            return;
        float* rows = RowsOf(window.QueryRow) + lane;
        float* columns = ColumnsOf(window.QueryColumn) + lane;
        logits += lane;
        for (int patch = 0; patch < window.Count; patch++, logits += _lanes)
        {
            (int row, int column) = Math.DivRem(patch, window.ColumnCount);
            TSimd.Store(logits, TSimd.Add(TSimd.Load(logits),
                TSimd.Add(TSimd.Load(rows + (row * _lanes)), TSimd.Load(columns + (column * _lanes)))));
        }
    }

    /// <summary>Writes the gradients of log sigma of one query, (rows, columns) for each head. A bias b of an axis is
    /// −x²/2σ² without a constant per query, which has no effect; its derivative with respect to log σ is
    /// −2·b.</summary>
    /// <param name="gradients">The gradients of the logits, [patches, lanes].</param>
    /// <param name="window">The query.</param>
    /// <param name="destination">Receives 2·A values.</param>
    public void Differentiate<TSimd, TVector>(float* gradients, in WindowQuery window, float* destination)
        where TSimd : struct, ISimd<TVector>
    {
        // The tables are in base 2, the logits of the gradients in base e.
        const float Factor = (float)(-2 / Base2.Log2E);
        TVector least = TSimd.Create(TileBias.Least);
        float* sums = stackalloc float[2 * TSimd.Width];
        for (int lane = 0; lane < _lanes; lane += TSimd.Width)
        {
            TVector rowSum = TSimd.Zero, columnSum = TSimd.Zero;
            for (int patch = 0; patch < window.Count; patch++)
            {
                (int row, int column) = Math.DivRem(patch, window.ColumnCount);
                TVector gradient = TSimd.Load(gradients + (patch * _lanes) + lane);
                rowSum = TSimd.MultiplyAdd(gradient, TSimd.Max(least,
                    TSimd.Load(RowsOf(window.QueryRow) + (row * _lanes) + lane)), rowSum);
                columnSum = TSimd.MultiplyAdd(gradient, TSimd.Max(least,
                    TSimd.Load(ColumnsOf(window.QueryColumn) + (column * _lanes) + lane)), columnSum);
            }

            TSimd.Store(sums, rowSum);
            TSimd.Store(sums + TSimd.Width, columnSum);
            for (int head = lane; head < Math.Min(lane + TSimd.Width, _headCount); head++)
            {
                destination[2 * head] = Factor * sums[head - lane];
                destination[(2 * head) + 1] = Factor * sums[TSimd.Width + head - lane];
            }
        }
    }

    private float* RowsOf(int query) => _rows + ((nint)query * _rowCount * _lanes);

    private float* ColumnsOf(int query) => _columns + ((nint)query * _columnCount * _lanes);
}

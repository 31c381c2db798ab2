using MsResampler.Cpu.Simd;
using MsResampler.Training.Products;

namespace MsResampler.Training.Passes;

/// <summary>The products of one phase and the sums of the gradients of biases.</summary>
internal sealed unsafe class ProductPhase<TSimd, TVector>(PassContext context)
    where TSimd : struct, ISimd<TVector>
{
    private readonly ProductList<TSimd, TVector> _products = new();
    private readonly List<(Rows Matrix, int RowCount, TrainableTensor Sums, int FirstTask)> _sums = [];
    private int _sumTaskCount;

    /// <summary>Adds a product.</summary>
    public void Add(in MatrixProduct product) => _products.Add(product);

    /// <summary>Adds <c>Y = X·Wᵀ + b</c>.</summary>
    public void Linear(Rows x, int rowCount, LinearLayer layer, Rows y)
        => _products.Add(MatrixProduct.Linear(x.Start, x.Stride, rowCount, layer.Weight.Pointer,
            layer.Bias is { } bias ? bias.Pointer : null, layer.InputWidth, layer.OutputWidth, y.Start, y.Stride));

    /// <summary>Adds <c>dX = dY·W</c>, or <c>dX += dY·W</c>.</summary>
    public void InputGradient(Rows dy, int rowCount, LinearLayer layer, Rows dx, bool adds = false)
        => _products.Add(MatrixProduct.InputGradient(dy.Start, dy.Stride, rowCount, layer.Weight.Pointer,
            layer.InputWidth, layer.OutputWidth, dx.Start, dx.Stride, adds));

    /// <summary>Adds <c>dX += dY·W</c>, where X is a parameter of as many rows.</summary>
    public void InputGradient(Rows dy, int rowCount, LinearLayer layer, TrainableTensor x)
        => InputGradient(dy, rowCount, layer, new Rows(x.GradientPointer, layer.InputWidth), adds: true);

    /// <summary>Adds <c>dW += dYᵀ·X</c> and <c>db += Σ dY</c> of the parameters that are not frozen.</summary>
    public void Gradients(Rows dy, int rowCount, Rows x, LinearLayer layer, bool withBias = true)
    {
        if (!layer.Weight.IsFrozen)
            _products.Add(MatrixProduct.WeightGradient(dy.Start, dy.Stride, rowCount, x.Start, x.Stride,
                layer.InputWidth, layer.OutputWidth, layer.Weight.GradientPointer));
        if (withBias && layer.Bias is { IsFrozen: false } bias)
            Sum(dy, rowCount, bias);
    }

    /// <summary>Adds the sums of the columns of a matrix to the gradient of a parameter, unless it is
    /// frozen.</summary>
    public void Sum(Rows matrix, int rowCount, TrainableTensor sums)
    {
        if (sums.IsFrozen)
            return;
        _sums.Add((matrix, rowCount, sums, _sumTaskCount));
        _sumTaskCount += ColumnSums<TSimd, TVector>.TaskCount(sums.Count);
    }

    /// <summary>Adds the phase; none if there is nothing to compute.</summary>
    public void AddTo(PhaseList phases, string name)
    {
        _products.Cut(context.ThreadCount);
        int productCount = _products.TaskCount;
        phases.Add(name, productCount + _sumTaskCount, (task, worker) =>
        {
            if (task < productCount)
                _products.Execute(task, worker, context.ScratchOf(worker), context.CancellationToken);
            else
                ExecuteSum(task - productCount);
        });
    }

    private void ExecuteSum(int task)
    {
        int index = _sums.Count - 1;
        while (task < _sums[index].FirstTask)
            index--;
        (Rows matrix, int rowCount, TrainableTensor sums, int first) = _sums[index];
        ColumnSums<TSimd, TVector>.Add(task - first, matrix.Start, matrix.Stride, rowCount, sums.Count,
            sums.GradientPointer);
    }
}

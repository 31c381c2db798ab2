using MsResampler.Cpu;
using MsResampler.Training;
using MsResampler.Training.Products;

namespace MsResampler.Scenes;

/// <summary>A linear layer with its gradients: <c>Y = X·Wᵀ + b</c>. Matrices have no gaps between rows.</summary>
internal sealed unsafe class DenseLayer
{
    private readonly ProductRunner _products;
    private readonly int _inputWidth;
    private readonly int _outputWidth;

    /// <summary>Creates a layer with random weights of variance 1/input, and a bias of zero.</summary>
    public DenseLayer(string name, int inputWidth, int outputWidth, ulong seed, ProductRunner products)
    {
        (_inputWidth, _outputWidth, _products) = (inputWidth, outputWidth, products);
        Weight = new TrainableTensor($"{name}.weight", [outputWidth, inputWidth],
            RandomValues(name, outputWidth * inputWidth, 1 / MathF.Sqrt(inputWidth), seed));
        Bias = new TrainableTensor($"{name}.bias", [outputWidth], new float[outputWidth]);
    }

    public TrainableTensor Weight { get; }

    public TrainableTensor Bias { get; }

    public IEnumerable<TrainableTensor> Tensors => [Weight, Bias];

    /// <summary>Multiply-adds for one row.</summary>
    public long Work => (long)_inputWidth * _outputWidth;

    public void Forward(AlignedBuffer x, int rowCount, AlignedBuffer y)
        => _products.Run(MatrixProduct.Linear(x.Pointer, _inputWidth, rowCount, Weight.Pointer, Bias.Pointer,
            _inputWidth, _outputWidth, y.Pointer, _outputWidth));

    /// <summary>Adds the gradients of the parameters, and computes that of the input.</summary>
    /// <param name="dy">The gradient of the output.</param>
    /// <param name="x">The input.</param>
    /// <param name="rowCount">The number of rows.</param>
    /// <param name="dx">Receives the gradient of the input; null if it is not needed.</param>
    /// <param name="adds">Whether that gradient is added to <paramref name="dx"/>.</param>
    public void Backward(AlignedBuffer dy, AlignedBuffer x, int rowCount, AlignedBuffer? dx, bool adds = false)
    {
        _products.Run(MatrixProduct.WeightGradient(dy.Pointer, _outputWidth, rowCount, x.Pointer, _inputWidth,
            _inputWidth, _outputWidth, Weight.GradientPointer));
        _products.AddColumnSums(dy.Pointer, rowCount, _outputWidth, Bias.GradientPointer);
        if (dx is not null)
            _products.Run(MatrixProduct.InputGradient(dy.Pointer, _outputWidth, rowCount, Weight.Pointer, _inputWidth,
                _outputWidth, dx.Pointer, _inputWidth, adds));
    }

    /// <summary>Approximately normal values that depend only on the name and the seed.</summary>
    public static float[] RandomValues(string name, int count, float deviation, ulong seed)
    {
        int purpose = name.Aggregate(17, (hash, character) => unchecked((hash * 31) + character));
        SceneRandom random = new(seed, 0, purpose);
        float[] values = new float[count];
        for (int index = 0; index < count; index++)
            values[index] = deviation * random.Normal();
        return values;
    }
}

using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using MsResampler.Kernels.Device;
using MsResampler.Kernels.Tiles;
using MsResampler.Model;
using MsResampler.Planning;
using MsResampler.Safetensors;

namespace MsResampler.Kernels.Forward.Bits16;

/// <summary>The weights that do not depend on an image, on the device: matrices in 16 bits, the rest in
/// float32.</summary>
/// <remarks>Where there is a kv_proj, the layer normalisation after it is folded into its neighbours, in double
/// precision. From each column of kv_proj its mean is taken, so that the rows of Z have mean 0. The normalisation's
/// weight multiplies the columns of k_proj and v_proj; its bias becomes part of v's, and drops out of the softmax as k's
/// does. What is left is to divide each row by its deviation. That takes any factor away again but for ε: kv_proj is
/// multiplied by a power of two with which its results are as large as float16 allows whatever the features, the largest
/// of which in each row is below 4.</remarks>
internal sealed class Bits16Weights : IDisposable
{
    /// <summary>2¹⁵, half of what float16 holds.</summary>
    private const int MaxExponent = 15;

    /// <summary>2⁶⁰: its square, and with it the mean squares of rows in which ε is all that counts, is far from the end
    /// of float32.</summary>
    private const int MaxRootExponent = 60;

    private readonly string _source;
    private readonly TensorType _type;
    private readonly ModelLayout _layout;
    private readonly TensorStore _tensors;

    /// <param name="device">The device.</param>
    /// <param name="stream">Copies them.</param>
    /// <param name="layout">In groups of 8.</param>
    /// <param name="model">The model.</param>
    /// <param name="type">F16 or BF16.</param>
    /// <exception cref="Float16OverflowException">A weight is outside the range of float16.</exception>
    /// <exception cref="InvalidModelException">A product of weights is outside that of float32.</exception>
    public Bits16Weights(IDevice device, IDeviceStream stream, ModelLayout layout, ResamplerModel model, TensorType type)
    {
        ResamplerWeights weights = model.Weights;
        _source = model.Checkpoint.SourcePath;
        _type = type;
        _layout = layout;
        _tensors = new TensorStore(device, stream);
        try
        {
            PaddedAxis width = layout.Width;
            PaddedAxis heads = layout.Heads;
            IReadOnlyList<ScopeWeights> scopes = weights.Scopes;
            double[]? scale = null;
            double[]? shift = null;
            double rootEpsilon = Math.Sqrt(layout.Config.LayerNormEpsilon);
            if (weights.KeyValueInput is { } input)
            {
                double[] centred = NormInvariance.Centred(input);
                double unit = UnitOf(centred, input.Columns);
                rootEpsilon *= unit;
                KeyValueInput = new DeviceLinear(_tensors.Add(Matrix(input,
                    [.. centred.Select(value => value * unit)], width, layout.Channels)),
                    _tensors.Add(new float[width.PaddedSize]));
                scale = weights.KeyValueNorm.Weight.ToDouble();
                shift = weights.KeyValueNorm.Bias.ToDouble();
            }

            RootEpsilon = (float)rootEpsilon;
            MaxUnit = (float)Math.ScaleB(1, Math.Clamp(MaxRootExponent - 1 - Math.ILogB(rootEpsilon), -126, 127));
            KeyValues = new DeviceLinear(
                _tensors.Add(2 * layout.KeyScopeCount, part => part < layout.KeyScopeCount
                    ? Scaled(scopes[part].KeyProjection.Weight, scale)
                    : Scaled(scopes[part - layout.KeyScopeCount].ValueProjection.Weight, scale)),
                _tensors.Add(2 * layout.KeyScopeCount, part => part < layout.KeyScopeCount
                    ? new float[heads.PaddedSize]
                    : heads.Pad(Shifted(scopes[part - layout.KeyScopeCount].ValueProjection, shift))));
            KeyValueNorm = AddNorm(weights.KeyValueNorm);
            PostNorm = AddNorm(weights.PostNorm);
            (double[][] outputBiases, double[]? hiddenBias) = NormInvariance.Biases(layout.Config, weights);
            Outputs = new DeviceLinear(
                _tensors.Add(scopes.Count, scope => Output(scopes[scope].OutputProjection.Weight, scopes.Count == 1)),
                _tensors.Add(scopes.Count, scope => width.Pad(PaddedAxis.Round(outputBiases[scope]))));
            if (weights.Gate is { } gate)
            {
                GateHidden = new DeviceLinear(
                    _tensors.Add(Matrix(gate.Hidden.Weight, layout.GateHidden, layout.Branches)),
                    _tensors.Add(layout.GateHidden.Pad(PaddedAxis.Round(hiddenBias!))));
                PaddedAxis logits = new(layout.GateCount);
                GateOutput = new DeviceLinear(
                    _tensors.Add(PaddedAxis.Pad(gate.Output.Weight.ToSingle(), logits, layout.GateHidden)),
                    _tensors.Add(Pad(gate.Output.Bias, logits)).AsScalars());
                NoBias = _tensors.Add(new float[scopes.Count * layout.GateHidden.PaddedSize]);
            }

            Projection = new DeviceLinear(_tensors.Add(Matrix(weights.Projection.Weight, layout.Output, width)),
                _tensors.Add(Pad(weights.Projection.Bias, layout.Output)));
        }
        catch
        {
            _tensors.Dispose();
            throw;
        }
    }

    /// <summary>kv_proj, or null.</summary>
    public DeviceLinear? KeyValueInput { get; }

    /// <summary>√ε of ln_kv, times what kv_proj was multiplied by.</summary>
    public float RootEpsilon { get; }

    /// <summary>The largest factor of a row of features, with which <see cref="RootEpsilon"/> does not overflow.</summary>
    public float MaxUnit { get; }

    /// <summary>ln_kv, where it is not folded.</summary>
    public DeviceNorm KeyValueNorm { get; }

    /// <summary>k_proj of all scopes that have one, then v_proj likewise, rows one after another.</summary>
    public DeviceLinear KeyValues { get; }

    /// <summary>out_proj of all scopes.</summary>
    public DeviceLinear Outputs { get; }

    /// <summary>The gate's first layer; null with one scope.</summary>
    public DeviceLinear? GateHidden { get; }

    /// <summary>Its second layer, in float32.</summary>
    public DeviceLinear? GateOutput { get; }

    /// <summary>Zeros in place of the first layer's bias, for each of its partial products.</summary>
    public DeviceView NoBias { get; }

    public DeviceNorm PostNorm { get; }

    public DeviceLinear Projection { get; }

    public void Dispose() => _tensors.Dispose();

    /// <summary>The power of two with which no product of a row and features below 4 reaches 2¹⁵: by Cauchy and Schwarz
    /// none exceeds the product of their lengths.</summary>
    private static double UnitOf(double[] matrix, int columnCount)
    {
        double[] squares = new double[matrix.Length / columnCount];
        for (int index = 0; index < matrix.Length; index++)
            squares[index / columnCount] += matrix[index] * matrix[index];
        double longest = Math.Sqrt(squares.Max() * columnCount) * 4;
        return longest == 0 ? 1 : Math.ScaleB(1, Math.Clamp(MaxExponent - 1 - Math.ILogB(longest), -126, 126));
    }

    /// <summary>A layer's bias plus what it makes of the bias of the normalisation before it.</summary>
    private float[] Shifted(LinearWeights layer, double[]? shift)
    {
        double[] bias = layer.Bias?.ToDouble() ?? new double[layer.Weight.Rows];
        if (shift is not null)
        {
            double[] weight = layer.Weight.ToDouble();
            for (int index = 0; index < weight.Length; index++)
                bias[index / shift.Length] += weight[index] * shift[index % shift.Length];
        }

        float[] result = PaddedAxis.Round(bias);
        if (result.AsSpan().ContainsAnyExceptInRange(float.MinValue, float.MaxValue))
            ThrowFolded(layer.Bias ?? layer.Weight);
        return result;
    }

    private static float[] Pad(WeightTensor? vector, PaddedAxis axis)
        => axis.Pad(vector is null ? [] : vector.ToSingle());

    /// <summary>A projection of a head's elements from the normalised rows.</summary>
    private ushort[] Scaled(WeightTensor matrix, double[]? scale)
    {
        double[] values = matrix.ToDouble();
        if (scale is not null)
        {
            for (int index = 0; index < values.Length; index++)
                values[index] *= scale[index % scale.Length];
        }

        return Matrix(matrix, values, _layout.Heads, _layout.Width);
    }

    /// <summary>out_proj; that of an only scope is followed by a normalisation.</summary>
    private ushort[] Output(WeightTensor matrix, bool isNormalised)
        => Matrix(matrix, isNormalised ? NormInvariance.Centred(matrix) : matrix.ToDouble(), _layout.Width, _layout.Heads);

    private ushort[] Matrix(WeightTensor matrix, PaddedAxis rows, PaddedAxis columns)
        => Matrix(matrix, matrix.ToDouble(), rows, columns);

    /// <summary>Rounds a matrix, in the device's layout.</summary>
    private ushort[] Matrix(WeightTensor source, double[] values, PaddedAxis rows, PaddedAxis columns)
    {
        ushort[] result = new ushort[checked((long)rows.PaddedSize * columns.PaddedSize)];
        float[] single = new float[values.Length];
        for (int index = 0; index < values.Length; index++)
        {
            single[index] = (float)values[index];
            if (_type == TensorType.F16 && Math.Abs(values[index]) >= Float16OverflowException.Limit)
                Float16OverflowException.ThrowWeight(source.Name, values[index]);
            if (!(Math.Abs(values[index]) < MmaBFloat16.Limit))
                ThrowFolded(source);
        }

        ElementConversion.FromSingle(_type, PaddedAxis.Pad(single, rows, columns),
            MemoryMarshal.AsBytes(result.AsSpan()));
        return result;
    }

    [DoesNotReturn]
    private void ThrowFolded(WeightTensor tensor) => throw new InvalidModelException(_source,
        [$"tensor '{tensor.Name}': expected numbers within the range of bfloat16 (±3.39e38), with the weights of ln_kv where " +
            "they are multiplied by it, found one outside: use Precision.Float32"]);

    private DeviceNorm AddNorm(NormWeights norm)
        => new(_tensors.Add(Pad(norm.Weight, _layout.Width)), _tensors.Add(Pad(norm.Bias, _layout.Width)));
}

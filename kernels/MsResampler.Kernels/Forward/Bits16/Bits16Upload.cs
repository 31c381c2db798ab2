using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using MsResampler.Kernels.Tiles;
using MsResampler.Safetensors;

namespace MsResampler.Kernels.Forward.Bits16;

/// <summary>Rounds the weights of a model to 16 bits and copies them to the device.</summary>
/// <remarks>If there is a kv_proj, the layer normalisation after it is folded into its neighbours in double
/// precision. The mean of each column of kv_proj is subtracted from the column, so that the rows of Z have mean 0.
/// The weight of the normalisation multiplies the columns of k_proj and v_proj. Its bias becomes part of the bias of
/// v_proj; in k_proj it drops out of the softmax, as the bias of k_proj does. The division of each row by its
/// deviation remains. It also cancels any constant factor of Z if ε is multiplied by the same factor. So kv_proj is
/// multiplied by the largest power of two with which no element of Z leaves the range of float16, given that the
/// largest feature of each row is below 4.</remarks>
/// <param name="tensors">Receives the weights.</param>
/// <param name="layout">The layout of the model in 16 bits.</param>
/// <param name="model">The model.</param>
/// <param name="type">F16 or BF16.</param>
internal sealed class Bits16Upload(TensorStore tensors, ModelLayout layout, ResamplerModel model, TensorType type)
{
    /// <summary>2¹⁵ is half the range of float16.</summary>
    private const int MaxExponent = 15;

    /// <summary>The square of 2⁶⁰ is far below the largest float32, and so are the mean squares of rows in which ε
    /// dominates.</summary>
    private const int MaxRootExponent = 60;

    private PaddedAxis Width => layout.Width;

    private PaddedAxis Heads => layout.Heads;

    /// <summary>Copies the weights to the device.</summary>
    /// <exception cref="Float16OverflowException">A weight is outside the range of float16.</exception>
    /// <exception cref="InvalidModelException">A product of weights is outside the range of float32.</exception>
    public Bits16Weights Run()
    {
        ResamplerWeights weights = model.Weights;
        IReadOnlyList<ScopeWeights> scopes = weights.Scopes;
        DeviceLinear? keyValueInput = null;
        double[]? scale = null;
        double[]? shift = null;
        double rootEpsilon = Math.Sqrt(layout.Config.LayerNormEpsilon);
        if (weights.KeyValueInput is { } input)
        {
            double[] centred = NormInvariance.Centred(input);
            double unit = UnitOf(centred, input.Columns);
            rootEpsilon *= unit;
            keyValueInput = new DeviceLinear(
                tensors.Add(Matrix(input, [.. centred.Select(value => value * unit)], Width, layout.Channels)),
                tensors.Add(new float[Width.PaddedSize]));
            scale = weights.KeyValueNorm.Weight.ToDouble();
            shift = weights.KeyValueNorm.Bias.ToDouble();
        }

        (double[][] outputBiases, double[]? hiddenBias) = NormInvariance.Biases(layout.Config, weights);
        return new Bits16Weights
        {
            KeyValueInput = keyValueInput,
            RootEpsilon = (float)rootEpsilon,
            MaxUnit = (float)Math.ScaleB(1, Math.Clamp(MaxRootExponent - 1 - Math.ILogB(rootEpsilon), -126, 127)),
            KeyValues = KeyValues(scopes, scale, shift),
            KeyValueNorm = tensors.AddNorm(weights.KeyValueNorm, Width),
            PostNorm = tensors.AddNorm(weights.PostNorm, Width),
            Outputs = new DeviceLinear(
                tensors.Add(scopes.Count, scope => Output(scopes[scope].OutputProjection.Weight, scopes.Count == 1)),
                tensors.Add(scopes.Count, scope => Width.Pad(PaddedAxis.Round(outputBiases[scope])))),
            GateHidden = weights.Gate is not { } gate ? null
                : new DeviceLinear(tensors.Add(Matrix(gate.Hidden.Weight, layout.GateHidden, layout.Branches)),
                    tensors.Add(new float[scopes.Count * layout.GateHidden.PaddedSize])),
            GateHiddenBias = hiddenBias is null ? default
                : tensors.Add(layout.GateHidden.Pad(PaddedAxis.Round(hiddenBias))),
            GateOutput = tensors.AddGateOutput(weights.Gate, layout),
            Projection = new DeviceLinear(tensors.Add(Matrix(weights.Projection.Weight, layout.Output, Width)),
                tensors.Add(weights.Projection.Bias.Pad(layout.Output))),
        };
    }

    private DeviceLinear KeyValues(IReadOnlyList<ScopeWeights> scopes, double[]? scale, double[]? shift)
    {
        int count = layout.KeyScopeCount;
        return new DeviceLinear(
            tensors.Add(2 * count, part => part < count ? Scaled(scopes[part].KeyProjection.Weight, scale)
                : Scaled(scopes[part - count].ValueProjection.Weight, scale)),
            tensors.Add(2 * count, part => part < count ? new float[Heads.PaddedSize]
                : Heads.Pad(Shifted(scopes[part - count].ValueProjection, shift))));
    }

    /// <summary>The power of two with which no product of a row and features below 4 reaches 2¹⁵. By the inequality of
    /// Cauchy and Schwarz no product exceeds the product of the two lengths.</summary>
    private static double UnitOf(double[] matrix, int columnCount)
    {
        double[] squares = new double[matrix.Length / columnCount];
        for (int index = 0; index < matrix.Length; index++)
            squares[index / columnCount] += matrix[index] * matrix[index];
        double longest = Math.Sqrt(squares.Max() * columnCount) * 4;
        return longest == 0 ? 1 : Math.ScaleB(1, Math.Clamp(MaxExponent - 1 - Math.ILogB(longest), -126, 126));
    }

    /// <summary>The bias of a layer plus its weight times the bias of the normalisation before it.</summary>
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

    /// <summary>A projection of normalised rows, with the weight of the normalisation folded in.</summary>
    private ushort[] Scaled(WeightTensor matrix, double[]? scale)
    {
        double[] values = matrix.ToDouble();
        if (scale is not null)
        {
            for (int index = 0; index < values.Length; index++)
                values[index] *= scale[index % scale.Length];
        }

        return Matrix(matrix, values, Heads, Width);
    }

    /// <summary>out_proj. ln_post follows that of a single scope directly.</summary>
    private ushort[] Output(WeightTensor matrix, bool isNormalised)
        => Matrix(matrix, isNormalised ? NormInvariance.Centred(matrix) : matrix.ToDouble(), Width, Heads);

    private ushort[] Matrix(WeightTensor matrix, PaddedAxis rows, PaddedAxis columns)
        => Matrix(matrix, matrix.ToDouble(), rows, columns);

    private ushort[] Matrix(WeightTensor source, double[] values, PaddedAxis rows, PaddedAxis columns)
    {
        ushort[] result = new ushort[checked((long)rows.PaddedSize * columns.PaddedSize)];
        float[] single = new float[values.Length];
        for (int index = 0; index < values.Length; index++)
        {
            single[index] = (float)values[index];
            if (type == TensorType.F16 && Math.Abs(values[index]) >= Float16OverflowException.Limit)
                Float16OverflowException.ThrowWeight(source.Name, values[index]);
            if (!(Math.Abs(values[index]) < MmaBFloat16.Limit))
                ThrowFolded(source);
        }

        ElementConversion.FromSingle(type, PaddedAxis.Pad(single, rows, columns),
            MemoryMarshal.AsBytes(result.AsSpan()));
        return result;
    }

    [DoesNotReturn]
    private void ThrowFolded(WeightTensor tensor) => throw new InvalidModelException(model.SourcePath,
        [$"tensor '{tensor.Name}': expected numbers within the range of bfloat16 (±3.39e38) after multiplication " +
            "with the weights of ln_kv, found one outside: use Precision.Float32"]);
}

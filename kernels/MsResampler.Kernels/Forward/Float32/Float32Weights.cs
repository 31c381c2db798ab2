using MsResampler.Kernels.Device;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Kernels.Forward.Float32;

/// <summary>The weights that do not depend on an image, on the device and in its layout, in float32.</summary>
internal sealed class Float32Weights : IDisposable
{
    private readonly TensorStore _tensors;

    public Float32Weights(IDevice device, IDeviceStream stream, ModelLayout layout, ResamplerWeights weights)
    {
        Layout = layout;
        _tensors = new TensorStore(device, stream);
        try
        {
            PaddedAxis width = layout.Width;
            PaddedAxis heads = layout.Heads;
            if (weights.KeyValueInput is { } input)
            {
                KeyValueInput = new DeviceLinear(_tensors.Add(Centred(input, width, layout.Channels)),
                    _tensors.Add(new float[4 * width.Vectors]));
            }

            KeyValueNorm = AddNorm(weights.KeyValueNorm);
            PostNorm = AddNorm(weights.PostNorm);
            IReadOnlyList<ScopeWeights> scopes = weights.Scopes;

            // A bias that is the same for every key drops out of the softmax.
            Keys = new DeviceLinear(
                _tensors.Add(layout.KeyScopeCount,
                    scope => Pad(scopes[scope].KeyProjection.Weight, heads, width)),
                _tensors.Add(new float[4 * layout.KeyScopeCount * heads.Vectors]));
            Values = new DeviceLinear(
                _tensors.Add(layout.KeyScopeCount,
                    scope => Pad(scopes[scope].ValueProjection.Weight, heads, width)),
                _tensors.Add(layout.KeyScopeCount, scope => Pad(scopes[scope].ValueProjection.Bias, heads)));
            (double[][] outputBiases, double[]? hiddenBias) = NormInvariance.Biases(layout.Config, weights);
            Outputs = new DeviceLinear(
                // The output of an only scope is normalised as it is.
                _tensors.Add(scopes.Count, scope => scopes.Count == 1
                    ? Centred(scopes[scope].OutputProjection.Weight, width, heads)
                    : Pad(scopes[scope].OutputProjection.Weight, width, heads)),
                _tensors.Add(scopes.Count, scope => width.Pad(PaddedAxis.Round(outputBiases[scope]))));
            if (weights.Gate is { } gate)
            {
                GateHidden = new DeviceLinear(Matrix(gate.Hidden.Weight, layout.GateHidden, layout.Branches),
                    _tensors.Add(layout.GateHidden.Pad(PaddedAxis.Round(hiddenBias!))));
                PaddedAxis logits = new(layout.GateCount);
                GateOutput = new DeviceLinear(Matrix(gate.Output.Weight, logits, layout.GateHidden),
                    _tensors.Add(Pad(gate.Output.Bias, logits)).AsScalars());
            }

            Projection = new DeviceLinear(Matrix(weights.Projection.Weight, layout.Output, width),
                _tensors.Add(Pad(weights.Projection.Bias, layout.Output)));
        }
        catch
        {
            _tensors.Dispose();
            throw;
        }
    }

    public ModelLayout Layout { get; }

    /// <summary>kv_proj, or null.</summary>
    public DeviceLinear? KeyValueInput { get; }

    public DeviceNorm KeyValueNorm { get; }

    public DeviceNorm PostNorm { get; }

    /// <summary>k_proj of all scopes that have one, rows one after another.</summary>
    public DeviceLinear Keys { get; }

    /// <summary>v_proj likewise.</summary>
    public DeviceLinear Values { get; }

    /// <summary>out_proj of all scopes.</summary>
    public DeviceLinear Outputs { get; }

    /// <summary>The gate's first layer; null with one scope.</summary>
    public DeviceLinear? GateHidden { get; }

    /// <summary>Its second layer.</summary>
    public DeviceLinear? GateOutput { get; }

    public DeviceLinear Projection { get; }

    /// <summary>The values of a vector in the device's layout; zeros for one that the model lacks.</summary>
    public static float[] Pad(WeightTensor? vector, PaddedAxis axis, float factor = 1)
        => axis.Pad(vector is null ? [] : vector.ToSingle(), factor);

    /// <summary>The values of a matrix in the device's layout.</summary>
    public static float[] Pad(WeightTensor matrix, PaddedAxis rows, PaddedAxis columns, float factor = 1)
        => PaddedAxis.Pad(matrix.ToSingle(), rows, columns, factor);

    public void Dispose() => _tensors.Dispose();

    /// <summary>A matrix before a normalisation.</summary>
    private static float[] Centred(WeightTensor matrix, PaddedAxis rows, PaddedAxis columns)
        => PaddedAxis.Pad(PaddedAxis.Round(NormInvariance.Centred(matrix)), rows, columns);

    private DeviceView Matrix(WeightTensor matrix, PaddedAxis rows, PaddedAxis columns)
        => _tensors.Add(Pad(matrix, rows, columns));

    private DeviceNorm AddNorm(NormWeights norm) => new(_tensors.Add(Pad(norm.Weight, Layout.Width)),
        _tensors.Add(Pad(norm.Bias, Layout.Width)));
}

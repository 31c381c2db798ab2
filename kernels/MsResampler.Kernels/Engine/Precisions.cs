using MsResampler.Kernels.Engine.HalfPrecision;
using MsResampler.Model;
using MsResampler.Safetensors;

namespace MsResampler.Kernels.Engine;

/// <summary>Which precision a model is computed in on a device.</summary>
internal static class Precisions
{
    /// <summary>Decides <see cref="Precision.Auto"/> and checks any other choice.</summary>
    /// <exception cref="NotSupportedException">The device or the model does not allow what was asked for.</exception>
    public static Precision Choose(Precision asked, ResamplerModel model, DeviceProperties device)
    {
        if (asked == Precision.Auto)
        {
            Precision stored = StoredIn(model.Weights);
            return WhyNot(stored, model.Config, device) is null ? stored : Precision.Float32;
        }

        return WhyNot(asked, model.Config, device) is { } reason
            ? throw new NotSupportedException($"Precision {asked}: {reason}; use Precision.Float32 or Precision.Auto")
            : asked;
    }

    /// <summary>For people.</summary>
    public static string NameOf(Precision precision) => precision switch
    {
        Precision.TensorFloat32 => "tf32",
        Precision.Float16 => "float16",
        Precision.BFloat16 => "bfloat16",
        _ => "float32",
    };

    private static string? WhyNot(Precision precision, ResamplerConfig config, DeviceProperties device)
    {
        if (precision == Precision.Float32)
            return null;
        if (device.Architecture < HalfKernels.MinArchitecture)
        {
            return $"it needs tensor cores of sm_{HalfKernels.MinArchitecture} or later, and {device.Name} is " +
                $"sm_{device.Architecture}";
        }

        return precision == Precision.TensorFloat32 ? null : HalfKernels.WhyNot(config);
    }

    /// <summary>The precision of a checkpoint's matrices; float32 where they differ.</summary>
    private static Precision StoredIn(ResamplerWeights weights)
    {
        TensorType[] types = [.. Matrices(weights).Select(matrix => matrix.Type).Distinct()];
        return types switch
        {
            [TensorType.F16] => Precision.Float16,
            [TensorType.BF16] => Precision.BFloat16,
            _ => Precision.Float32,
        };
    }

    private static IEnumerable<WeightTensor> Matrices(ResamplerWeights weights)
    {
        if (weights.KeyValueInput is { } input)
            yield return input;
        foreach (ScopeWeights scope in weights.Scopes)
        {
            yield return scope.QueryProjection.Weight;
            yield return scope.KeyProjection.Weight;
            yield return scope.ValueProjection.Weight;
            yield return scope.OutputProjection.Weight;
        }

        if (weights.Gate is { } gate)
            yield return gate.Hidden.Weight;
        yield return weights.Projection.Weight;
    }
}

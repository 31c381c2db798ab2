using MsResampler.Kernels.Forward.Bits16;
using MsResampler.Safetensors;

namespace MsResampler.Kernels.Forward;

/// <summary>Chooses the precision of a model on a device.</summary>
internal static class Precisions
{
    /// <summary>Decides <see cref="Precision.Auto"/> and checks any other choice.</summary>
    /// <exception cref="NotSupportedException">The device or the model does not support the precision.</exception>
    public static Precision Choose(Precision asked, ResamplerModel model, DeviceProperties device)
        => Choose(asked, StoredIn(model.Weights), model.Config, device.Architecture, device.Name);

    /// <summary>The same without a model or a device.</summary>
    /// <param name="asked">The requested precision.</param>
    /// <param name="stored">The precision of the model's matrices.</param>
    /// <param name="config">The model; null to check the architecture only.</param>
    /// <param name="architecture">The architecture, such as 80 for sm_80.</param>
    /// <param name="name">The name of the device, for the error.</param>
    /// <exception cref="NotSupportedException">The architecture or the model does not support the
    /// precision.</exception>
    public static Precision Choose(Precision asked, Precision stored, ResamplerConfig? config, int architecture,
        string name)
    {
        if (asked == Precision.Auto)
            return WhyNot(stored, config, architecture, name) is null ? stored : Precision.Float32;
        return WhyNot(asked, config, architecture, name) is { } reason
            ? throw new NotSupportedException($"Precision {asked}: {reason}; use Precision.Float32 or Precision.Auto")
            : asked;
    }

    /// <summary>The name of a precision in messages.</summary>
    public static string NameOf(Precision precision) => precision switch
    {
        Precision.TensorFloat32 => "tf32",
        Precision.Float16 => "float16",
        Precision.BFloat16 => "bfloat16",
        _ => "float32",
    };

    private static string? WhyNot(Precision precision, ResamplerConfig? config, int architecture, string name)
    {
        if (precision == Precision.Float32)
            return null;
        if (precision == Precision.Int8)
            return "the GPU backend has no integer products";
        if (architecture < Bits16Kernels.MinArchitecture)
        {
            return $"it needs tensor cores of sm_{Bits16Kernels.MinArchitecture} or later, and {name} is " +
                $"sm_{architecture}";
        }

        return precision == Precision.TensorFloat32 || config is null ? null : Bits16Kernels.WhyNot(config);
    }

    /// <summary>The precision of a checkpoint's matrices; float32 if they differ.</summary>
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

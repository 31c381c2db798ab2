using MsResampler.Safetensors;

namespace MsResampler.Model;

/// <summary>Properties of <see cref="WeightType"/>.</summary>
internal static class WeightTypes
{
    /// <summary>The name in config.json.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not a member of the enumeration.</exception>
    public static string NameOf(WeightType type) => type switch
    {
        WeightType.Float32 => "float32",
        WeightType.Float16 => "float16",
        WeightType.BFloat16 => "bfloat16",
        WeightType.Float64 => "float64",
        _ => throw Undefined(type),
    };

    /// <summary>The type of tensors.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is not a member of the enumeration.</exception>
    public static TensorType TensorTypeOf(WeightType type) => type switch
    {
        WeightType.Float32 => TensorType.F32,
        WeightType.Float16 => TensorType.F16,
        WeightType.BFloat16 => TensorType.BF16,
        WeightType.Float64 => TensorType.F64,
        _ => throw Undefined(type),
    };

    private static ArgumentOutOfRangeException Undefined(WeightType type)
        => new(nameof(type), type, $"Expected a value that {nameof(WeightType)} defines.");
}

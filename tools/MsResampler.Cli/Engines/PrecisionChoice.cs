namespace MsResampler.Cli.Engines;

/// <summary>A value of <c>--precision</c>.</summary>
internal sealed record PrecisionChoice(string Name, Precision Precision)
{
    /// <summary>The type of the checkpoint if the GPU supports it.</summary>
    public static readonly PrecisionChoice Auto = new("auto", Precision.Auto);

    /// <summary>All choices.</summary>
    public static readonly IReadOnlyList<PrecisionChoice> All =
    [
        Auto, new("float32", Precision.Float32), new("tf32", Precision.TensorFloat32),
        new("float16", Precision.Float16), new("bfloat16", Precision.BFloat16),
        new("int8", Precision.Int8),
    ];

    /// <summary>The name of a precision.</summary>
    public static string NameOf(Precision precision) => All.First(choice => choice.Precision == precision).Name;

    /// <inheritdoc/>
    public override string ToString() => Name;
}

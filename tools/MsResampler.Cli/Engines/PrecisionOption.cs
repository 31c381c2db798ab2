namespace MsResampler.Cli.Engines;

/// <summary>The values of <c>--precision</c>.</summary>
internal static class PrecisionOption
{
    private static readonly (string Name, Precision Precision)[] s_values =
    [
        ("auto", Precision.Auto), ("float32", Precision.Float32), ("tf32", Precision.TensorFloat32),
        ("float16", Precision.Float16), ("bfloat16", Precision.BFloat16),
    ];

    /// <summary>All names.</summary>
    public static IEnumerable<string> Names => s_values.Select(value => value.Name);

    /// <summary>The name of a precision.</summary>
    public static string NameOf(Precision precision) => s_values.First(value => value.Precision == precision).Name;

    /// <summary>The precision of a name.</summary>
    public static bool TryParse(string name, out Precision precision)
    {
        int index = Array.FindIndex(s_values, value => value.Name == name);
        precision = index < 0 ? Precision.Auto : s_values[index].Precision;
        return index >= 0;
    }
}

namespace MsResampler.Cli.Commands;

/// <summary>A value of <c>convert --dtype</c>.</summary>
/// <param name="Type">The element type of every tensor; null for integers.</param>
internal sealed record StoredType(WeightType? Type)
{
    /// <summary>The integers of <see cref="Precision.Int8"/>.</summary>
    public static readonly StoredType Integers = new((WeightType?)null);
}

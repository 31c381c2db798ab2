namespace MsResampler.Model;

/// <summary>Constants of attention in base 2. Logits are multiplied by log₂e, so that eˣ becomes 2ˣ, which
/// processors compute in fewer instructions.</summary>
internal static class Base2
{
    /// <summary>log₂e.</summary>
    public const double Log2E = 1.4426950408889634;

    /// <summary>ln 2 = 1/log₂e.</summary>
    public const double Ln2 = 0.69314718055994531;

    /// <summary>The factor of projected queries, log₂e/√d.</summary>
    public static double QueryScale(int headSize) => Log2E / Math.Sqrt(headSize);
}

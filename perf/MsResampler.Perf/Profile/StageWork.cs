namespace MsResampler.Perf.Profile;

/// <summary>The work of a stage in one call: what no implementation with the same tiles can avoid.</summary>
/// <param name="Label">The name in reports.</param>
/// <param name="Flops">Floating-point operations.</param>
/// <param name="InnerBytes">Bytes that the tiles load through the second-level cache.</param>
/// <param name="WeightBytes">Bytes of weights and folded queries, which the rest of the call displaces from the
/// caches if all together exceed them.</param>
/// <param name="OuterBytes">Other bytes that do not fit the second-level cache: read, read again, or written.</param>
internal sealed record StageWork(string Label, double Flops, double InnerBytes, double WeightBytes, double OuterBytes)
{
    /// <summary>Whether the limits are those of the stage.</summary>
    public bool IsBounded { get; init; } = true;

    /// <summary>The shortest time that a limit allows, in milliseconds, and the name of the limit.</summary>
    /// <param name="limits">The limits of the threads.</param>
    /// <param name="areWeightsCached">Whether the weights of the whole call fit the third-level cache.</param>
    public (string Name, double Ms) Bound(Limits limits, bool areWeightsCached)
    {
        (string Name, double Seconds)[] bounds =
        [
            ("FMA", Flops / limits.Flops),
            ("L2", InnerBytes / limits.SecondLevel),
            areWeightsCached ? ("L3", (WeightBytes + OuterBytes) / limits.ThirdLevel)
                : (WeightBytes / limits.Memory > OuterBytes / limits.ThirdLevel ? "memory" : "L3",
                    (WeightBytes / limits.Memory) + (OuterBytes / limits.ThirdLevel)),
        ];
        (string name, double seconds) = bounds.MaxBy(bound => bound.Seconds);
        return (name, seconds * 1e3);
    }
}

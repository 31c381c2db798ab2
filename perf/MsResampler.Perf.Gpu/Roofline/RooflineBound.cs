namespace MsResampler.Perf.Roofline;

/// <summary>The limiting factor of a launch.</summary>
internal enum RooflineBound
{
    /// <summary>Memory traffic.</summary>
    Memory,

    /// <summary>Floating-point operations.</summary>
    Operations,

    /// <summary>Operations on the busiest multiprocessor, which has clearly more tiles than the average.</summary>
    Tiles,

    /// <summary>The reads of the tiles of products from the second-level cache.</summary>
    Cache,

    /// <summary>The cost of the launch, which is longer than its work.</summary>
    Launch,
}

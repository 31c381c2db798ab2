namespace MsResampler.Perf.Timing;

/// <summary>What a <see cref="TimedDevice"/> measures.</summary>
internal enum TimingMode
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>A forward pass as a whole, from its first launch to the end of its last, begun on an idle device;
    /// graphs are used as ever.</summary>
    Forward,

    /// <summary>Each launch by itself, begun while the device is still busy with something else, so that the time to
    /// start it does not count; there are no graphs.</summary>
    Launches,
}

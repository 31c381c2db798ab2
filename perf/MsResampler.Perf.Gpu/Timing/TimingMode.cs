namespace MsResampler.Perf.Timing;

/// <summary>The measurements of a <see cref="TimedDevice"/>.</summary>
internal enum TimingMode
{
    /// <summary>No measurement.</summary>
    None,

    /// <summary>Each forward pass, from its first launch to the end of its last launch. It starts on an idle device and
    /// may be a graph.</summary>
    Forward,

    /// <summary>Each launch separately, without graphs. Launches queue up while the device is busy with the prelude, so
    /// that the host's time to start them does not count.</summary>
    Launches,
}

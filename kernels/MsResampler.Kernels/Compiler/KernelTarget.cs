namespace MsResampler.Kernels.Compiler;

/// <summary>The devices that kernels are compiled for.</summary>
/// <param name="Architecture">The architecture, such as 80 for sm_80.</param>
/// <param name="IsHopper">Whether kernels may use what only sm_90 has, with a driver that accepts it: products by
/// warpgroups, and launches that begin before the kernel they depend on has ended.</param>
internal readonly record struct KernelTarget(int Architecture, bool IsHopper = false)
{
    /// <summary>sm_90 with all its own features.</summary>
    public static KernelTarget Hopper { get; } = new(90, IsHopper: true);

    /// <summary>An architecture with what kernels use of its own features.</summary>
    /// <param name="architecture">The architecture, such as 80 for sm_80.</param>
    public static KernelTarget Newest(int architecture)
        => architecture == Hopper.Architecture ? Hopper : architecture;

    /// <summary>An architecture without features of its own.</summary>
    public static implicit operator KernelTarget(int architecture) => new(architecture);

    public override string ToString() => $"sm_{Architecture}{(IsHopper ? "a" : "")}";
}

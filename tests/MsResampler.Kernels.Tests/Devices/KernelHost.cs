namespace MsResampler.Kernels.Tests.Devices;

/// <summary>Runs one kernel on arrays. The arguments are arrays, which are copied to the device but not back, an
/// <see cref="Output"/> for the result, integers and floats.</summary>
internal abstract class KernelHost
{
    /// <summary>All hosts that are available on this machine.</summary>
    public static IReadOnlyList<KernelHost> All { get; } = [new EmulatorHost(), new CpuAcceleratorHost()];

    /// <summary>Whether barriers are so slow that blocks must be single warps.</summary>
    public abstract bool HasSlowBarriers { get; }

    /// <summary>Runs a kernel to completion.</summary>
    /// <param name="variant">The kernel.</param>
    /// <param name="size">The numbers of blocks and threads.</param>
    /// <param name="arguments">The arguments of the kernel.</param>
    public abstract void Run(KernelVariant variant, LaunchSize size, params object[] arguments);

    /// <summary>Memory that is uninitialised before the kernel runs; the kernel must write all of it.</summary>
    internal sealed record Output(float[] Values)
    {
        public static Output Of(int count) => new(new float[count]);
    }
}

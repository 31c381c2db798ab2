namespace MsResampler.Kernels.Tests.Devices;

/// <summary>Something that runs one kernel on arrays. Arguments are arrays, which are copied to the kernel and are not
/// copied back, an <see cref="Output"/> for what it writes, integers and floats.</summary>
internal abstract class KernelHost
{
    /// <summary>All hosts that this machine has.</summary>
    public static IReadOnlyList<KernelHost> All { get; } = [new EmulatorHost(), new CpuAcceleratorHost()];

    /// <summary>Whether a barrier costs so much that blocks must be single warps.</summary>
    public abstract bool HasSlowBarriers { get; }

    /// <summary>Runs a kernel to its end.</summary>
    /// <param name="variant">The kernel.</param>
    /// <param name="size">Blocks and threads.</param>
    /// <param name="arguments">Its arguments.</param>
    public abstract void Run(KernelVariant variant, LaunchSize size, params object[] arguments);

    /// <summary>Memory that nobody has written before the kernel runs; all of it must be written afterwards.</summary>
    internal sealed record Output(float[] Values)
    {
        public static Output Of(int count) => new(new float[count]);
    }
}

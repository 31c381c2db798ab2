using System.Collections.Concurrent;
using MsResampler.Kernels.Compiler;
using MsResampler.Kernels.Device;
using MsResampler.Kernels.Forward.Bits16;
using MsResampler.Kernels.Forward.Float32;
using MsResampler.Model;

namespace MsResampler.Kernels.Forward;

/// <summary>The kernels of a device, each compiled and loaded when it is first asked for: which shapes of a product a
/// model needs depends on the sizes of its batches.</summary>
/// <param name="device">Where they run.</param>
/// <param name="compiler">Compiles them; it must outlive this object.</param>
internal sealed class KernelLibrary(IDevice device, KernelCompiler compiler)
{
    /// <summary>Warps of a block whose warps work alone.</summary>
    public const int MaxWarps = 4;

    private readonly ConcurrentDictionary<KernelVariant, IDeviceKernel> _kernels = [];

    /// <summary>Every kernel in every configuration that some model needs.</summary>
    public static IReadOnlyList<KernelVariant> All { get; } =
        [.. Float32Kernels.All, .. Bits16Kernels.Float16.All, .. Bits16Kernels.BFloat16.All];

    /// <summary>Where the kernels run.</summary>
    public DeviceProperties Properties => device.Properties;

    /// <summary>The kernels that some model needs in a precision.</summary>
    /// <param name="precision">Numeric precision; not <see cref="Precision.Auto"/>.</param>
    public static IEnumerable<KernelVariant> Of(Precision precision) => precision switch
    {
        Precision.Float16 => Bits16Kernels.Float16.WithQuerySide,
        Precision.BFloat16 => Bits16Kernels.BFloat16.WithQuerySide,
        Precision.TensorFloat32 => Float32Kernels.All,
        _ => Float32Kernels.Plain,
    };

    /// <summary>The kernels that a model may need.</summary>
    /// <param name="config">The model.</param>
    /// <param name="precision">Numeric precision; not <see cref="Precision.Auto"/>.</param>
    public static IEnumerable<KernelVariant> Of(ResamplerConfig config, Precision precision) => precision switch
    {
        Precision.Float16 => Bits16Kernels.Float16.Of(config),
        Precision.BFloat16 => Bits16Kernels.BFloat16.Of(config),
        _ => Float32Kernels.Of(config, precision == Precision.TensorFloat32),
    };

    /// <summary>One warp for each of <paramref name="count"/>: single ones while that spreads them further.</summary>
    public LaunchSize WarpsFor(int count)
    {
        int warps = count > MaxWarps * device.Properties.MultiprocessorCount ? MaxWarps : 1;
        return new LaunchSize((count + warps - 1) / warps, 1, 32 * warps);
    }

    /// <summary>A kernel, ready to launch.</summary>
    public IDeviceKernel Get(KernelVariant variant)
        => _kernels.TryGetValue(variant, out IDeviceKernel? kernel) ? kernel : _kernels.GetOrAdd(variant,
            wanted => device.Load(wanted.Compile(compiler, device.Properties.Architecture)));
}

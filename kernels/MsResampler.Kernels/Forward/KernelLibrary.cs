using System.Runtime.ExceptionServices;
using MsResampler.Kernels.Forward.Bits16;
using MsResampler.Kernels.Forward.Float32;
using MsResampler.Kernels.Gemm;

namespace MsResampler.Kernels.Forward;

/// <summary>The kernels of a device. Each is compiled and loaded once, when it is first asked for: the shapes of
/// products that a model needs depend on the sizes of its batches. Members may be called from several
/// threads.</summary>
/// <param name="device">The device.</param>
/// <param name="compiler">Compiles the kernels.</param>
internal sealed class KernelLibrary(IDevice device, KernelCompiler compiler)
{
    private readonly OnceTable<KernelVariant, IDeviceKernel> _kernels = new();
    private readonly Func<KernelVariant, IDeviceKernel> _load =
        variant => device.Load(variant.Compile(compiler, device.Properties.Target));

    /// <summary>Every kernel in every configuration that some model needs.</summary>
    public static IReadOnlyList<KernelVariant> All { get; } =
        [.. Float32Kernels.All, .. Bits16Kernels.Float16.All, .. Bits16Kernels.BFloat16.All];

    /// <summary>The kernels that some model needs in a precision.</summary>
    /// <param name="precision">Any precision but <see cref="Precision.Auto"/>.</param>
    public static IEnumerable<KernelVariant> Of(Precision precision) => precision switch
    {
        Precision.Float16 => Bits16Kernels.Float16.WithCommon,
        Precision.BFloat16 => Bits16Kernels.BFloat16.WithCommon,
        Precision.TensorFloat32 => Float32Kernels.All,
        _ => Float32Kernels.Plain,
    };

    /// <summary>The kernels that a model may need.</summary>
    /// <param name="config">The model.</param>
    /// <param name="precision">Any precision but <see cref="Precision.Auto"/>.</param>
    public static IEnumerable<KernelVariant> Of(ResamplerConfig config, Precision precision) => precision switch
    {
        Precision.Float16 => Bits16Kernels.Float16.Of(config),
        Precision.BFloat16 => Bits16Kernels.BFloat16.Of(config),
        _ => Float32Kernels.Of(config, precision == Precision.TensorFloat32),
    };

    /// <summary>The kernels that a model may need on a device.</summary>
    /// <param name="config">The model.</param>
    /// <param name="precision">Any precision but <see cref="Precision.Auto"/>.</param>
    /// <param name="target">The device; a number is an architecture, such as 80 for sm_80.</param>
    public static IEnumerable<KernelVariant> Of(ResamplerConfig config, Precision precision, KernelTarget target)
    {
        int elementBytes = precision is Precision.Float16 or Precision.BFloat16 ? sizeof(ushort) : sizeof(float);
        Type[] tilesOfOthers =
            [.. GemmShape.All.Except(GemmShape.ShapesFor(target, elementBytes)).Select(shape => shape.Tile)];
        return Of(config, precision)
            .Where(variant => !variant.Kernel.GenericTypeArguments.Intersect(tilesOfOthers).Any());
    }

    /// <summary>A kernel that is ready to launch.</summary>
    public IDeviceKernel Get(KernelVariant variant) => _kernels.Get(variant, _load);

    /// <summary>Makes kernels ready to launch, several at a time.</summary>
    /// <param name="variants">The kernels.</param>
    /// <param name="cancellationToken">Checked between kernels.</param>
    /// <exception cref="DeviceException">A kernel cannot be loaded. A later call tries again.</exception>
    public void Load(IEnumerable<KernelVariant> variants, CancellationToken cancellationToken)
    {
        try
        {
            Parallel.ForEach(variants, new ParallelOptions
            {
                CancellationToken = cancellationToken,
                MaxDegreeOfParallelism = Environment.ProcessorCount,
            }, variant => Get(variant));
        }
        catch (AggregateException exception)
        {
            ExceptionDispatchInfo.Throw(exception.InnerExceptions[0]);
        }
    }
}

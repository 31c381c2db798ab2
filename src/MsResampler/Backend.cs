using MsResampler.Cpu;
using MsResampler.Model;

namespace MsResampler;

/// <summary>The hardware or library that computes: <see cref="Cpu"/>, or one that another package brings.</summary>
public abstract class Backend
{
    private protected Backend()
    {
    }

    /// <summary>Managed SIMD code on the processor, in float32. The environment variable MSRESAMPLER_CPU (avx512, avx2,
    /// vector128 or scalar) forces an instruction set.</summary>
    public static Backend Cpu { get; } = new CpuChoice();

    internal abstract ModelEngine Create(ResamplerModel model, ResamplerOptions options);

    private sealed class CpuChoice : Backend
    {
        internal override ModelEngine Create(ResamplerModel model, ResamplerOptions options)
            => options.Precision is Precision.Auto or Precision.Float32 ? CpuVariant.Choose().Create(model, options)
                : throw new NotSupportedException($"Precision {options.Precision}: the CPU backend computes in float32; " +
                    "use Precision.Float32 or Precision.Auto");
    }
}

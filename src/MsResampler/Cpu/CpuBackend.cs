using MsResampler.Model;

namespace MsResampler.Cpu;

/// <summary>Runs models on the processor, with the instruction set that <see cref="CpuVariant.Choose"/>
/// returns.</summary>
internal sealed class CpuBackend : Backend
{
    internal override void StartPreparing(Precision precision) => EarlyCompilation.Start(precision);

    internal override ModelEngine Create(ResamplerModel model, ResamplerOptions options)
        => options.Precision is Precision.Auto or Precision.Float32 or Precision.Int8
            ? CpuVariant.Choose().Create(model, options)
            : throw new NotSupportedException($"Precision {options.Precision}: the CPU backend computes in float32 " +
                "or with integers; use Precision.Float32, Precision.Int8 or Precision.Auto");
}

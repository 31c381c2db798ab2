using MsResampler.Cpu;
using MsResampler.Model;

namespace MsResampler;

/// <summary>The hardware that runs a model: <see cref="Cpu"/>, or a backend from another package.</summary>
public abstract class Backend
{
    private protected Backend()
    {
    }

    /// <summary>The processor: SIMD code in float32, or with integers (<see cref="Precision.Int8"/>). The environment
    /// variable MSRESAMPLER_CPU (avx512, avx2, vector128 or scalar) selects an instruction set.</summary>
    public static Backend Cpu { get; } = new CpuBackend();

    /// <summary>Starts to prepare in the background what does not depend on a model. Returns at once.</summary>
    /// <param name="precision">The precision of the model.</param>
    internal virtual void StartPreparing(Precision precision)
    {
    }

    /// <summary>Prepares a model to run on this backend.</summary>
    internal abstract ModelEngine Create(ResamplerModel model, ResamplerOptions options);
}

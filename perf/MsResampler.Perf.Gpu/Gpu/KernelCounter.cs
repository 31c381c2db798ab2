using System.Globalization;

namespace MsResampler.Perf.Gpu;

/// <summary>A value of a <see cref="KernelCounters"/>.</summary>
/// <param name="Value">The value.</param>
/// <param name="Unit">The unit, as Nsight Compute writes it.</param>
internal readonly record struct KernelCounter(double Value, string Unit)
{
    public override string ToString()
        => string.Create(CultureInfo.InvariantCulture, $"{Value:0.#}{(Unit is "%" or "" ? Unit : $" {Unit}")}");
}

using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>An instruction set for which the CPU backend has code. The run-time choice, the environment
/// override, the tests and the benchmarks all use the ordered list <see cref="All"/>.</summary>
/// <param name="name">The name of the variant.</param>
/// <param name="isSupported">Whether this machine supports the instruction set.</param>
/// <param name="costs">Costs of its kernels.</param>
/// <param name="create">Prepares a model to run with it.</param>
internal sealed class CpuVariant(string name, bool isSupported, CostModel costs, CpuVariant.Factory create)
{
    /// <summary>The environment variable that selects a variant by name.</summary>
    public const string EnvironmentVariable = "MSRESAMPLER_CPU";

    internal delegate ModelEngine Factory(ResamplerModel model, ResamplerOptions options,
        Func<StrategyChoice, ScopeStrategy>? choose);

    /// <summary>All variants, the fastest first.</summary>
    public static IReadOnlyList<CpuVariant> All { get; } =
    [
        Define<Simd512, Vector512<float>>("avx512", Avx512F.IsSupported),
        Define<Simd256, Vector256<float>>("avx2", Avx2.IsSupported && Fma.IsSupported),
        Define<Simd128, Vector128<float>>("vector128", Vector128.IsHardwareAccelerated),
        Define<SimdScalar, float>("scalar", true),
    ];

    public string Name => name;

    /// <summary>Whether this machine supports the instruction set.</summary>
    public bool IsSupported => isSupported;

    /// <summary>Costs of its kernels, for planning without an engine.</summary>
    public CostModel Costs => costs;

    /// <summary>Returns the variant that <see cref="EnvironmentVariable"/> names, or the fastest supported
    /// variant if the variable is not set.</summary>
    /// <exception cref="NotSupportedException">The variable is not the name of a variant that this machine
    /// supports.</exception>
    public static CpuVariant Choose()
    {
        if (Environment.GetEnvironmentVariable(EnvironmentVariable) is not { Length: > 0 } name)
            return All.First(variant => variant.IsSupported);
        return All.FirstOrDefault(variant => variant.IsSupported && variant.Name == name)
            ?? throw new NotSupportedException($"{EnvironmentVariable}: expected one of " +
                string.Join(", ", All.Where(variant => variant.IsSupported).Select(variant => variant.Name)) +
                $" on this machine, found '{name}'");
    }

    /// <summary>A warning that a native build does not use the widest instruction set of the processor; null if
    /// it does.</summary>
    /// <remarks>Code compiled ahead of time contains only the instruction sets that its build selected, and
    /// wider variants are unsupported. The just-in-time compiler uses all instruction sets of the processor and
    /// the operating system, unless the user turned some off.</remarks>
    public string? Warning
        => DescribeUnused(Name, Environment.GetEnvironmentVariable(EnvironmentVariable) is { Length: > 0 },
            RuntimeFeature.IsDynamicCodeCompiled, WidestOfProcessor());

    /// <summary>The warning for a chosen variant, or null.</summary>
    /// <param name="chosen">The name of the variant.</param>
    /// <param name="isForced">Whether <see cref="EnvironmentVariable"/> selected it.</param>
    /// <param name="isJustInTime">Whether code is compiled at run time.</param>
    /// <param name="widest">The widest variant that the processor supports; null if unknown.</param>
    internal static string? DescribeUnused(string chosen, bool isForced, bool isJustInTime, string? widest)
    {
        if (isForced || isJustInTime || widest is null || IndexOf(chosen) <= IndexOf(widest))
            return null;
        return $"this native build uses {chosen}, but the processor has {widest}: publish with " +
            "<IlcInstructionSet>native</IlcInstructionSet> for this machine, or x86-64-v3 for any machine with AVX2 " +
            "(x86-64-v4 for AVX-512)";

        static int IndexOf(string name) => All.TakeWhile(variant => variant.Name != name).Count();
    }

    /// <summary>The widest variant that the processor and the operating system support, independent of this
    /// build; null if unknown.</summary>
    private static string? WidestOfProcessor()
    {
        if (!X86Base.IsSupported || X86Base.CpuId(0, 0).Eax < 7)
            return null;
        int features = X86Base.CpuId(1, 0).Ecx;
        int extended = X86Base.CpuId(7, 0).Ebx;
        // Bit 27 is OSXSAVE: without it the operating system does not save vectors wider than 128 bits.
        return !Has(features, 27) || !Has(features, 12) || !Has(extended, 5) ? null
            : Has(extended, 16) ? "avx512" : "avx2";

        static bool Has(int register, int bit) => ((register >> bit) & 1) != 0;
    }

    /// <summary>Prepares a model to run with this instruction set.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">The options of the resampler.</param>
    /// <param name="choose">Selects strategies, see <see cref="Planner"/>; null for the cheapest.</param>
    public ModelEngine Create(ResamplerModel model, ResamplerOptions options,
        Func<StrategyChoice, ScopeStrategy>? choose = null) => create(model, options, choose);

    public override string ToString() => Name;

    private static CpuVariant Define<TSimd, TVector>(string name, bool isSupported)
        where TSimd : struct, ISimd<TVector>
        => new(name, isSupported, CpuEngine<TSimd, TVector>.Costs,
            (model, options, choose) => new CpuEngine<TSimd, TVector>(name, model, options, choose));
}

using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using MsResampler.Cpu.Simd;
using MsResampler.Model;
using MsResampler.Planning;

namespace MsResampler.Cpu;

/// <summary>One instruction set the CPU backend is compiled for. <see cref="All"/> is the one ordered list from which
/// the run-time choice, the tests, the benchmarks and the environment override are taken.</summary>
internal sealed class CpuVariant
{
    /// <summary>The environment variable that forces a variant by name.</summary>
    public const string EnvironmentVariable = "MSRESAMPLER_CPU";

    private readonly Factory _create;

    private CpuVariant(string name, bool isSupported, CostModel costs, Factory create)
    {
        Name = name;
        IsSupported = isSupported;
        Costs = costs;
        _create = create;
    }

    private delegate ModelEngine Factory(ResamplerModel model, ResamplerOptions options,
        Func<StrategyChoice, ScopeStrategy>? choose);

    /// <summary>Every variant, the fastest first.</summary>
    public static IReadOnlyList<CpuVariant> All { get; } =
    [
        Define<Simd512, Vector512<float>>("avx512", Avx512F.IsSupported),
        Define<Simd256, Vector256<float>>("avx2", Avx2.IsSupported && Fma.IsSupported),
        Define<Simd128, Vector128<float>>("vector128", Vector128.IsHardwareAccelerated),
        Define<SimdScalar, float>("scalar", true),
    ];

    public string Name { get; }

    /// <summary>Whether this machine can run it.</summary>
    public bool IsSupported { get; }

    /// <summary>What its kernels cost, for planning without an engine.</summary>
    public CostModel Costs { get; }

    /// <summary>The variant that <see cref="EnvironmentVariable"/> names, else the fastest supported one.</summary>
    /// <exception cref="NotSupportedException">The variable names no variant, or one that this machine
    /// cannot run.</exception>
    public static CpuVariant Choose()
    {
        if (Environment.GetEnvironmentVariable(EnvironmentVariable) is not { Length: > 0 } name)
            return All.First(variant => variant.IsSupported);
        return All.FirstOrDefault(variant => variant.IsSupported && variant.Name == name)
            ?? throw new NotSupportedException($"{EnvironmentVariable}: expected one of " +
                string.Join(", ", All.Where(variant => variant.IsSupported).Select(variant => variant.Name)) +
                $" on this machine, found '{name}'");
    }

    /// <summary>What to know of a build that this variant was chosen for, or null.</summary>
    /// <remarks>Native code that is compiled ahead of time has the instructions that its build asked for, and every wider
    /// variant counts as unsupported there. A just-in-time compiler uses what the processor and the operating system have,
    /// less what its user turned off.</remarks>
    public string? Warning => DescribeUnused(Name, Environment.GetEnvironmentVariable(EnvironmentVariable) is { Length: > 0 },
        RuntimeFeature.IsDynamicCodeCompiled, WidestOfProcessor());

    /// <param name="chosen">The variant's name.</param>
    /// <param name="isForced">Whether <see cref="EnvironmentVariable"/> named it.</param>
    /// <param name="isJustInTime">Whether code is compiled where it runs.</param>
    /// <param name="widest">The widest variant that the processor has instructions for, or null.</param>
    internal static string? DescribeUnused(string chosen, bool isForced, bool isJustInTime, string? widest)
    {
        if (isForced || isJustInTime || widest is null || IndexOf(chosen) <= IndexOf(widest))
            return null;
        return $"this native build uses {chosen}, but the processor has {widest}: publish with " +
            "<IlcInstructionSet>native</IlcInstructionSet> for this machine, or x86-64-v3 for any with AVX2 (x86-64-v4 with " +
            "AVX-512)";

        static int IndexOf(string name) => All.TakeWhile(variant => variant.Name != name).Count();
    }

    /// <summary>What the processor says of itself, whatever this build was compiled for; null where it cannot say.
    /// </summary>
    private static string? WidestOfProcessor()
    {
        if (!X86Base.IsSupported || X86Base.CpuId(0, 0).Eax < 7)
            return null;
        int features = X86Base.CpuId(1, 0).Ecx;
        int extended = X86Base.CpuId(7, 0).Ebx;
        // OSXSAVE: without it the operating system saves no vector wider than 128 bits.
        return !Has(features, 27) || !Has(features, 12) || !Has(extended, 5) ? null
            : Has(extended, 16) ? "avx512" : "avx2";

        static bool Has(int register, int bit) => ((register >> bit) & 1) != 0;
    }

    /// <param name="model">The model.</param>
    /// <param name="options">How to run it.</param>
    /// <param name="choose">Forces strategies, see <see cref="Planner"/>.</param>
    public ModelEngine Create(ResamplerModel model, ResamplerOptions options,
        Func<StrategyChoice, ScopeStrategy>? choose = null) => _create(model, options, choose);

    public override string ToString() => Name;

    private static CpuVariant Define<TSimd, TVector>(string name, bool isSupported)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
        => new(name, isSupported, CpuEngine<TSimd, TVector>.Costs,
            (model, options, choose) => new CpuEngine<TSimd, TVector>(name, model, options, choose));
}

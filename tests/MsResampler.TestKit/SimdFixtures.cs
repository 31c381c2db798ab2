using System.Runtime.Intrinsics;
using MsResampler.Cpu;
using MsResampler.Cpu.Simd;

namespace MsResampler.TestKit;

/// <summary>The type arguments of generic kernel fixtures: one pair per instruction set of
/// <see cref="CpuVariant.All"/>.</summary>
internal static class SimdFixtures
{
    public static IEnumerable<TestFixtureData> All => CpuVariant.All.Select(variant =>
    {
        TestFixtureData fixture = new() { TypeArgs = TypesOf(variant.Name) };
        return variant.IsSupported ? fixture : fixture.Ignore($"this processor lacks {variant.Name}");
    });

    /// <summary>The type arguments of the variant with a name.</summary>
    public static Type[] TypesOf(string name) => name switch
    {
        "avx512" => [typeof(Simd512), typeof(Vector512<float>)],
        "avx2" => [typeof(Simd256), typeof(Vector256<float>)],
        "vector128" => [typeof(Simd128), typeof(Vector128<float>)],
        "scalar" => [typeof(SimdScalar), typeof(float)],
        _ => throw new InvalidOperationException($"add the types of the instruction set '{name}' here"),
    };
}

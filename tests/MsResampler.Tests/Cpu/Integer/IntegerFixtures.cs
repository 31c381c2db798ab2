using MsResampler.Cpu.Integer;

namespace MsResampler.Tests.Cpu.Integer;

/// <summary>The arguments of fixtures that test every kernel of <see cref="IntegerKernel.All"/>.</summary>
internal static class IntegerFixtures
{
    /// <summary>The kernels, as the argument of a fixture.</summary>
    public static IEnumerable<TestFixtureData> Kernels => IntegerKernel.All.Select(kernel => Fixture(kernel, []));

    /// <summary>The kernels with the instruction set of their variant as type arguments.</summary>
    public static IEnumerable<TestFixtureData> KernelsWithSimd
        => IntegerKernel.All.Select(kernel => Fixture(kernel, SimdFixtures.TypesOf(kernel.Variant)));

    private static TestFixtureData Fixture(IntegerKernel kernel, Type[] types)
    {
        TestFixtureData fixture = new(kernel.Name) { TypeArgs = types };
        return kernel.IsSupported ? fixture
            : fixture.Ignore($"{kernel.Name}: {kernel.WhyNot ?? "this processor lacks the instructions"}");
    }

    /// <summary>The kernel with a name.</summary>
    public static IntegerKernel Kernel(string name) => IntegerKernel.All.Single(kernel => kernel.Name == name);
}

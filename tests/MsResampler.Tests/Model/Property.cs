using CsCheck;

namespace MsResampler.Tests.Model;

/// <summary>Properties over generated values. The values are the same in every run.</summary>
internal static class Property
{
    public static void ForAll<T>(Gen<T> values, int count, Func<T, bool> holds)
    {
        PCG random = new(stream: 1, seed: 1);
        for (int index = 0; index < count; index++)
        {
            T value = values.Generate(random, null, out _);
            if (!holds(value))
                Assert.Fail($"case {index} of {count} breaks the property: {Check.Print(value)}");
        }
    }
}

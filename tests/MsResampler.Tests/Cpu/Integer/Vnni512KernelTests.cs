using MsResampler.Cpu.Integer;

namespace MsResampler.Tests.Cpu.Integer;

/// <summary>The sums of the 512-bit kernel, and how it is loaded. Operands end at unreadable pages.</summary>
internal sealed class Vnni512KernelTests : GuardedTests
{
    private static readonly int[] s_lengths = [1, 3, 4, 5, 8, 63, 64, 255, 1024, 4099, 65_536];

    private static Vnni512Kernel KernelOrSkip(Vnni512Kernel? kernel = null)
    {
        kernel ??= new Vnni512Kernel();
        Skip.If(!kernel.IsSupported, kernel.WhyNot ?? "the processor has no 512-bit instructions of AVX512_VNNI");
        return kernel;
    }

    [Test]
    public void Sums_are_exact([Values] IntegerType type, [ValueSource(nameof(s_lengths))] int length,
        [Values(0, 1, 2, 3)] int skip)
    {
        Vnni512Kernel kernel = KernelOrSkip();
        Random random = new(length);
        int level = IntegerTypes.MaxLevel(type, length);
        int[] activations = Random(random, 6 * (length + 4), type == IntegerType.Int8 ? 0 : -level,
            type == IntegerType.Int8 ? byte.MaxValue : level);
        int[] weights = Random(random, 64 * (length + 4), -level, level);
        TileOperands operands = new(kernel, type, length, (row, k) => activations[(6 * k) + row],
            (k, column) => weights[(64 * k) + column], skip);
        Assert.That(operands.Multiply(), Is.EqualTo(operands.Exact));
    }

    [TestCase(255, -127, IntegerType.Int8)]
    [TestCase(255, 127, IntegerType.Int8)]
    [TestCase(181, 181, IntegerType.Int16)]
    [TestCase(-181, 181, IntegerType.Int16)]
    [TestCase(-181, -181, IntegerType.Int16)]
    public void Sums_are_exact_at_the_extremes(int activation, int weight, IntegerType type)
    {
        Vnni512Kernel kernel = KernelOrSkip();
        TileOperands operands = new(kernel, type, 65_536, (_, _) => activation, (_, _) => weight);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(operands.Multiply(), Is.EqualTo(operands.Exact));
            Assert.That(operands.Exact[0], Is.EqualTo(65_536L * activation * weight));
        }
    }

    /// <summary>Instructions that saturate sums of pairs in 16 bits, or sums in 32 bits, would give other results:
    /// these exceed both ranges on the way, and wrap around to the exact sum.</summary>
    [TestCase(IntegerType.Int8, 255, 127)]
    [TestCase(IntegerType.Int16, 32_767, 32_767)]
    public void Intermediate_sums_wrap_around(IntegerType type, int activation, int weight)
    {
        Vnni512Kernel kernel = KernelOrSkip();
        const int Length = 300_000;
        TileOperands operands = new(kernel, type, Length, (_, _) => activation,
            (k, _) => k < Length / 2 ? weight : -weight);
        Assert.That(operands.Multiply(), Is.All.EqualTo(0));
    }

    [Test]
    public void Rows_may_repeat([Values] IntegerType type)
    {
        Vnni512Kernel kernel = KernelOrSkip();
        TileOperands operands = new(kernel, type, 37, (row, k) => (7 * row) + k,
            (k, column) => (k % 11) - (column % 5));
        int[] rows = [2, 2, 0, 5, 0, 2];
        long[] expected = [.. rows.SelectMany(row => operands.Exact.Skip(64 * row).Take(64))];
        Assert.That(operands.Multiply(rows), Is.EqualTo(expected));
    }

    [Test]
    public void Threads_may_call_first_at_the_same_time()
    {
        Vnni512Kernel kernel = new();
        KernelOrSkip();
        TileOperands[] operands = [.. Enumerable.Range(0, 16).Select(index => new TileOperands(kernel,
            IntegerType.Int8, 64, (row, k) => row + k, (k, column) => index - column))];
        using Barrier barrier = new(operands.Length);
        long[][] sums = new long[operands.Length][];
        Thread[] threads = [.. operands.Select((operand, index) => new Thread(() =>
        {
            barrier.SignalAndWait();
            sums[index] = operand.Multiply();
        }))];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join();
        Assert.That(sums, Is.EqualTo(operands.Select(operand => operand.Exact)));
    }

    [Test]
    public void A_system_that_refuses_is_asked_once_and_makes_the_kernel_unsupported()
    {
        KernelOrSkip();
        RefusingPages pages = new();
        Vnni512Kernel kernel = new(pages);
        bool[] isSupported = new bool[8];
        Parallel.For(0, isSupported.Length, index => isSupported[index] = kernel.IsSupported);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(isSupported, Is.All.False);
            Assert.That(kernel.WhyNot, Does.Contain("avx512-vnni").And.Contain("(mprotect: Permission denied)"));
            Assert.That(pages.AllocatedCount, Is.EqualTo(1));
            Assert.That(pages.FreedCount, Is.EqualTo(1));
        }
    }

    [Test]
    public void A_missing_library_makes_the_kernel_unsupported()
    {
        KernelOrSkip();
        Vnni512Kernel kernel = new(new RefusingPages(new DllNotFoundException("no libc")));
        Assert.That(kernel.IsSupported, Is.False);
        Assert.That(kernel.WhyNot, Does.Contain("(no libc)"));
    }

    [TestCase("0", false)]
    [TestCase("1", true)]
    [TestCase("", true)]
    [TestCase(null, true)]
    public void A_variable_switches_machine_code_off(string? value, bool isSupported)
    {
        Vnni512Kernel kernel = KernelOrSkip();
        using Variable variable = new(value);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(kernel.IsSupported, Is.EqualTo(isSupported));
            Assert.That(kernel.WhyNot, isSupported ? Is.Null : Does.Contain("MSRESAMPLER_MACHINE_CODE=0"));
        }
    }

    [Test]
    public void Other_values_of_the_variable_are_errors([Values("2", "off", " ")] string value)
    {
        Vnni512Kernel kernel = KernelOrSkip();
        using Variable variable = new(value);
        Assert.That(() => kernel.IsSupported, Throws.TypeOf<NotSupportedException>()
            .With.Message.EqualTo($"MSRESAMPLER_MACHINE_CODE: expected 0 or 1, found '{value}'"));
    }

    [Test]
    public void The_kernel_is_the_first_of_all()
        => Assert.That(IntegerKernel.All[0].Name, Is.EqualTo("avx512-vnni"));

    private static int[] Random(Random random, int count, int min, int max)
        => [.. Enumerable.Range(0, count).Select(_ => random.Next(min, max + 1))];

    /// <summary>Sets the variable until it is disposed.</summary>
    private sealed class Variable : IDisposable
    {
        private readonly string? _before = Environment.GetEnvironmentVariable(Vnni512Kernel.EnvironmentVariable);

        public Variable(string? value) => Set(value);

        public void Dispose() => Set(_before);

        private static void Set(string? value)
            => Environment.SetEnvironmentVariable(Vnni512Kernel.EnvironmentVariable, value);
    }
}

using System.Globalization;
using MsResampler.Cpu.Integer;

namespace MsResampler.Tests.Cpu.Integer;

internal sealed unsafe class ExecutablePagesTests
{
    /// <summary><c>mov eax, VALUE; ret</c>.</summary>
    private static byte[] Return(byte value) => [0xb8, value, 0, 0, 0, 0xc3];

    [Test]
    public void Functions_are_at_multiples_of_64_and_run()
    {
        SkipUnlessX64();
        nint[] functions = ExecutablePages.Current.Load([Return(7), new byte[100], Return(9)], out string? problem);
        Skip.If(problem is not null, $"the system does not allow new code: {problem}");
        int[] results = [((delegate* unmanaged<int>)functions[0])(), ((delegate* unmanaged<int>)functions[2])()];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(results, Is.EqualTo(new[] { 7, 9 }));
            Assert.That(functions.Select(address => (long)address % 64), Is.All.EqualTo(0L));
            Assert.That(functions[2] - functions[0], Is.EqualTo((nint)192));
        }
    }

    [Test]
    public void Pages_are_executable_and_not_writable()
    {
        SkipUnlessX64();
        Skip.If(!OperatingSystem.IsLinux(), "only Linux lists the pages of a process in /proc/self/maps");
        nint[] functions = ExecutablePages.Current.Load([Return(1)], out string? problem);
        Skip.If(problem is not null, $"the system does not allow new code: {problem}");
        string[] mapping = File.ReadLines("/proc/self/maps").Select(line => line.Split(' '))
            .Single(fields => Contains(fields[0], functions[0]));
        Assert.That(mapping[1], Is.EqualTo("r-xp"));
    }

    private static bool Contains(string range, nint address)
    {
        nint[] ends = [.. range.Split('-').Select(end => nint.Parse(end, NumberStyles.HexNumber, null))];
        return ends[0] <= address && address < ends[1];
    }

    private static void SkipUnlessX64()
        => Skip.If(!System.Runtime.Intrinsics.X86.X86Base.X64.IsSupported, "the code is for 64-bit x86");
}

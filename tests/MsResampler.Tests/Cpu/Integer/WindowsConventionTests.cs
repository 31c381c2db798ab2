using System.Runtime.InteropServices;
using Iced.Intel;
using MsResampler.Cpu.Integer;
using static Iced.Intel.AssemblerRegisters;

namespace MsResampler.Tests.Cpu.Integer;

/// <summary>Runs the functions for Windows on other systems: a small function calls them with the convention of Windows
/// and compares the registers before and after.</summary>
internal sealed unsafe class WindowsConventionTests : GuardedTests
{
    private static readonly AssemblerRegister64[] s_general = [rbx, rbp, rsi, r12, r13, r14, r15, rdi];

    private static readonly AssemblerRegisterXMM[] s_vectors =
        [xmm6, xmm7, xmm8, xmm9, xmm10, xmm11, xmm12, xmm13, xmm14, xmm15];

    [Test]
    public void A_function_for_Windows_computes_the_same_and_preserves_registers([Values] IntegerType type,
        [Range(1, 4)] int vectorCount)
    {
        Vnni512Kernel kernel = new();
        Skip.If(OperatingSystem.IsWindows(), "on Windows the other tests run this code");
        Skip.If(!kernel.IsSupported, kernel.WhyNot ?? "the processor has no 512-bit instructions of AVX512_VNNI");
        ReadOnlySpan<byte> code = type == IntegerType.Int8 ? Vnni512Code.Bytes(vectorCount, isWindows: true)
            : Vnni512Code.Words(vectorCount, isWindows: true);
        nint[] functions = ExecutablePages.Current.Load([AssembleCaller(), code.ToArray()], out string? problem);
        Assert.That(problem, Is.Null);
        TileOperands operands = new(kernel, type, 150, (row, k) => (row + (3 * k)) % 128,
            (k, column) => (k - column) % 97, width: 16 * vectorCount);
        Registers registers = default;
        new Random(1).NextBytes(new Span<byte>(&registers, sizeof(Registers)));
        Registers before = registers;
        nint pointer = (nint)(&registers);
        long[] sums = operands.Multiply(tile =>
        {
            ((Registers*)pointer)->Tile = tile;
            ((Registers*)pointer)->Function = functions[1];
            ((delegate* unmanaged<nint, void>)functions[0])(pointer);
        });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(sums, Is.EqualTo(operands.Exact));
            Assert.That(GeneralOf(registers), Is.EqualTo(GeneralOf(before)));
            Assert.That(VectorsOf(registers), Is.EqualTo(VectorsOf(before)));
        }
    }

    private static ulong[] GeneralOf(Registers registers)
        => new Span<ulong>(registers.General, s_general.Length).ToArray();

    private static ulong[] VectorsOf(Registers registers)
        => new Span<ulong>(registers.Vectors, 2 * s_vectors.Length).ToArray();

    /// <summary>Assembles <c>void (Registers*)</c>: it sets the registers that Windows preserves, calls the function
    /// and stores the registers.</summary>
    private static byte[] AssembleCaller()
    {
        // The space of 32 bytes above the return address, which a callee on Windows may overwrite.
        const int ShadowBytes = 32;
        AssemblerRegister64[] ofCaller = [rbx, rbp, r12, r13, r14, r15];
        Assembler code = new(bitness: 64);
        foreach (AssemblerRegister64 register in ofCaller)
            code.push(register);
        code.push(rdi);
        code.sub(rsp, ShadowBytes);
        code.mov(rcx, __[rdi + Offset(nameof(Registers.Tile))]);
        code.mov(r11, __[rdi + Offset(nameof(Registers.Function))]);
        for (int i = 0; i < s_vectors.Length; i++)
            code.vmovups(s_vectors[i], __[rdi + Offset(nameof(Registers.Vectors)) + (16 * i)]);
        for (int i = 0; i < s_general.Length; i++)
            code.mov(s_general[i], __[rdi + Offset(nameof(Registers.General)) + (8 * i)]);
        code.call(r11);
        code.mov(rcx, __[rsp + ShadowBytes]);
        for (int i = 0; i < s_vectors.Length; i++)
            code.vmovups(__[rcx + Offset(nameof(Registers.Vectors)) + (16 * i)], s_vectors[i]);
        for (int i = 0; i < s_general.Length; i++)
            code.mov(__[rcx + Offset(nameof(Registers.General)) + (8 * i)], s_general[i]);
        code.add(rsp, ShadowBytes);
        code.pop(rdi);
        foreach (AssemblerRegister64 register in ofCaller.Reverse())
            code.pop(register);
        code.ret();
        using MemoryStream stream = new();
        code.Assemble(new StreamCodeWriter(stream), rip: 0);
        return stream.ToArray();
    }

    private static int Offset(string field) => (int)Marshal.OffsetOf<Registers>(field);

    /// <summary>What the caller passes and sets, and what it finds after the call. The general registers end with rdi,
    /// which holds the address of this structure until then.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Registers
    {
        public nint Tile;
        public nint Function;
        public fixed ulong Vectors[20];
        public fixed ulong General[8];
    }
}

using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using MsResampler.Model;

namespace MsResampler.Cpu.Integer;

/// <summary>Integer products with the 512-bit instructions of AVX512_VNNI. .NET 10 has no intrinsics for them, so the
/// tiles are machine code that tools/MsResampler.MachineCode assembles when the library is built.</summary>
/// <param name="pages">The memory for the code.</param>
internal sealed unsafe class Vnni512Kernel(ExecutablePages pages) : IntegerKernel
{
    /// <summary>The environment variable that switches machine code off (<c>0</c>) or on (<c>1</c>, the
    /// default).</summary>
    public const string EnvironmentVariable = "MSRESAMPLER_MACHINE_CODE";

    private const int MaxVectorCount = 4;

    private readonly Lazy<Functions> _functions = new(() => Load(pages));

    public Vnni512Kernel()
        : this(ExecutablePages.Current)
    {
    }

    public override string Name => "avx512-vnni";

    public override string Variant => "avx512";

    /// <exception cref="NotSupportedException"><see cref="EnvironmentVariable"/> is neither 0 nor 1.</exception>
    public override bool IsSupported => HasInstructions && WhyNot is null;

    /// <exception cref="NotSupportedException"><see cref="EnvironmentVariable"/> is neither 0 nor 1.</exception>
    public override string? WhyNot => !HasInstructions ? null
        : !IsSwitchedOn() ? $"{EnvironmentVariable}=0 switches machine code off"
        : _functions.Value.Problem is { } problem
            ? $"the system does not allow this process to run the machine code of {Name} ({problem})" : null;

    public override int PanelWidth => MaxVectorCount * Vector512<int>.Count;

    public override bool HasByteActivations => true;

    /// <summary>Whether the processor has the instructions, and .NET and the operating system support registers of 512
    /// bits. Code that was compiled ahead of time for a processor without AVX-512 does not use them.</summary>
    private static bool HasInstructions { get; } = X86Base.X64.IsSupported && Avx512F.IsSupported
        && Avx512BW.IsSupported && X86Base.CpuId(0, 0).Eax >= 7 && ((X86Base.CpuId(7, 0).Ecx >> 11) & 1) != 0;

    public override void MultiplyInt8(IntegerTile* tile)
        => ((delegate* unmanaged<IntegerTile*, void>)_functions.Value.Int8[^1])(tile);

    public override void MultiplyInt16(IntegerTile* tile)
        => ((delegate* unmanaged<IntegerTile*, void>)_functions.Value.Int16[^1])(tile);

    public override void Multiply(IntegerTile* tile, IntegerType type, int width)
    {
        int vectors = width / Vector512<int>.Count;
        nint[] functions = type == IntegerType.Int8 ? _functions.Value.Int8 : _functions.Value.Int16;
        // These tiles take less than a microsecond, so that a collection can wait for them.
        ((delegate* unmanaged[SuppressGCTransition]<IntegerTile*, void>)functions[vectors - 1])(tile);
    }

    private static bool IsSwitchedOn() => Environment.GetEnvironmentVariable(EnvironmentVariable) switch
    {
        null or "" or "1" => true,
        "0" => false,
        string other => throw new NotSupportedException($"{EnvironmentVariable}: expected 0 or 1, found '{other}'"),
    };

    private static Functions Load(ExecutablePages pages)
    {
        bool isWindows = OperatingSystem.IsWindows();
        byte[][] code =
        [
            .. Enumerable.Range(1, MaxVectorCount).Select(vectors => Vnni512Code.Bytes(vectors, isWindows).ToArray()),
            .. Enumerable.Range(1, MaxVectorCount).Select(vectors => Vnni512Code.Words(vectors, isWindows).ToArray()),
        ];
        return pages.Load(code, out string? problem) is { Length: > 0 } loaded
            ? new(loaded[..MaxVectorCount], loaded[MaxVectorCount..], null) : new([], [], problem);
    }

    /// <summary>The addresses of the functions by the vectors of a panel, less one, or why they could not be
    /// loaded.</summary>
    private sealed record Functions(nint[] Int8, nint[] Int16, string? Problem);
}

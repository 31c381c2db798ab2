using Iced.Intel;
using MsResampler.Cpu.Integer;

namespace MsResampler.Tests.Cpu.Integer;

/// <summary>One of the functions that the build assembled, as instructions.</summary>
internal sealed class TileCode
{
    /// <summary>The registers that a function on Windows gives back as it received them. Of vectors 6 to 15 this holds
    /// for the lower 128 bits.</summary>
    private static readonly Register[] s_preservedOnWindows =
    [
        Register.RBX, Register.RBP, Register.RDI, Register.RSI, Register.R12, Register.R13, Register.R14, Register.R15,
        .. Enumerable.Range(6, 10).Select(index => Register.ZMM0 + index),
    ];

    private static readonly Register[] s_preservedBySystemV =
        [Register.RBX, Register.RBP, Register.R12, Register.R13, Register.R14, Register.R15];

    private readonly string _name;

    private TileCode(string name, ReadOnlySpan<byte> code, bool isWindows, bool hasBytes)
    {
        _name = name;
        Bytes = code.ToArray();
        IsWindows = isWindows;
        HasBytes = hasBytes;
        Decoder decoder = Decoder.Create(bitness: 64, Bytes);
        Instructions = [.. decoder];
    }

    /// <summary>All functions.</summary>
    public static IReadOnlyList<TileCode> All { get; } =
    [
        new("bytes, System V", Vnni512Code.BytesSystemV, isWindows: false, hasBytes: true),
        new("words, System V", Vnni512Code.WordsSystemV, isWindows: false, hasBytes: false),
        new("bytes, Windows", Vnni512Code.BytesWindows, isWindows: true, hasBytes: true),
        new("words, Windows", Vnni512Code.WordsWindows, isWindows: true, hasBytes: false),
    ];

    public byte[] Bytes { get; }

    public IReadOnlyList<Instruction> Instructions { get; }

    /// <summary>Whether it has the calling convention of Windows, or that of Linux and macOS.</summary>
    public bool IsWindows { get; }

    /// <summary>Whether it multiplies bytes, or 16-bit integers.</summary>
    public bool HasBytes { get; }

    /// <summary>The register of the argument.</summary>
    public Register Argument => IsWindows ? Register.RCX : Register.RDI;

    /// <summary>The registers that the caller finds unchanged.</summary>
    public IReadOnlyList<Register> Preserved => IsWindows ? s_preservedOnWindows : s_preservedBySystemV;

    public override string ToString() => _name;
}

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

    private TileCode(int vectorCount, bool isWindows, bool hasBytes)
    {
        _name = $"{(hasBytes ? "bytes" : "words")}, {vectorCount} vectors, {(isWindows ? "Windows" : "System V")}";
        VectorCount = vectorCount;
        Bytes = (hasBytes ? Vnni512Code.Bytes(vectorCount, isWindows) : Vnni512Code.Words(vectorCount, isWindows))
            .ToArray();
        IsWindows = isWindows;
        HasBytes = hasBytes;
        Decoder decoder = Decoder.Create(bitness: 64, Bytes);
        Instructions = [.. decoder];
    }

    /// <summary>All functions.</summary>
    public static IReadOnlyList<TileCode> All { get; } =
    [
        .. from vectors in Enumerable.Range(1, 4)
           from isWindows in (bool[])[false, true]
           from hasBytes in (bool[])[true, false]
           select new TileCode(vectors, isWindows, hasBytes),
    ];

    public byte[] Bytes { get; }

    /// <summary>Vectors of a panel.</summary>
    public int VectorCount { get; }

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

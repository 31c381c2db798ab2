namespace MsResampler.MachineCode;

/// <summary>How a caller passes the argument, and which registers a function must preserve.</summary>
internal enum CallConvention
{
    /// <summary>Linux and macOS: the argument is in rdi; no vector register is preserved.</summary>
    SystemV,

    /// <summary>Windows: the argument is in rcx; rdi, rsi and the lower 128 bits of vectors 6 to 15 are
    /// preserved.</summary>
    Windows,
}

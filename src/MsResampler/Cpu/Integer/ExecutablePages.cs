namespace MsResampler.Cpu.Integer;

/// <summary>Memory from the operating system that can become executable.</summary>
internal abstract unsafe class ExecutablePages
{
    private const int Alignment = 64;

    /// <summary>The pages of this operating system.</summary>
    public static ExecutablePages Current { get; }
        = OperatingSystem.IsWindows() ? new WindowsPages() : new UnixPages();

    /// <summary>Copies functions to pages, which then are readable and executable, and never both writable and
    /// executable. They live until the process ends.</summary>
    /// <param name="functions">Machine code of functions that may be placed at every multiple of 64.</param>
    /// <param name="problem">Why the system refused; null if it did not.</param>
    /// <returns>The address of each function; empty if the system refused.</returns>
    public nint[] Load(ReadOnlySpan<byte[]> functions, out string? problem)
    {
        try
        {
            return Copy(functions, out problem);
        }
        catch (TypeLoadException exception)
        {
            // The system has not the library, or the library not the call.
            problem = exception.Message;
            return [];
        }
    }

    /// <summary>Allocates whole pages that can be read and written.</summary>
    /// <returns>The address of the first page, or 0 with the reason.</returns>
    protected abstract nint Allocate(nint length, out string? problem);

    /// <summary>Makes pages readable and executable, but not writable.</summary>
    /// <returns>Why the system refused; null if it did not.</returns>
    protected abstract string? MakeExecutable(nint start, nint length);

    /// <summary>Frees pages.</summary>
    protected abstract void Free(nint start, nint length);

    private nint[] Copy(ReadOnlySpan<byte[]> functions, out string? problem)
    {
        nint[] offsets = new nint[functions.Length];
        nint length = 0;
        for (int i = 0; i < functions.Length; i++)
        {
            offsets[i] = length;
            length += (functions[i].Length + Alignment - 1) / Alignment * Alignment;
        }

        nint start = Allocate(length, out problem);
        if (start == 0)
            return [];
        for (int i = 0; i < functions.Length; i++)
            functions[i].CopyTo(new Span<byte>((void*)(start + offsets[i]), functions[i].Length));
        problem = MakeExecutable(start, length);
        if (problem is not null)
        {
            Free(start, length);
            return [];
        }

        return Array.ConvertAll(offsets, offset => start + offset);
    }
}

using MsResampler.Kernels.Ptx;
using MsResampler.Kernels.Ptx.Writing;

namespace MsResampler.Kernels.Tests.Ptx;

/// <summary>Texts of a <see cref="PtxWriter"/>.</summary>
internal static class WrittenText
{
    /// <summary>A writer for a block of a warp.</summary>
    public static PtxWriter Writer(PtxTarget? target = null, string name = "Written", int threadCount = 32)
        => new(target ?? PtxTarget.Hopper, name, threadCount, blockCount: 1);

    /// <summary>The instructions and labels of a kernel.</summary>
    public static string[] Instructions(Action<PtxWriter> write)
    {
        PtxWriter writer = Writer();
        write(writer);
        return Instructions(writer);
    }

    /// <summary>The instructions and labels that a writer has emitted.</summary>
    public static string[] Instructions(PtxWriter writer)
    {
        string[] lines = writer.Finish().Split('\n', StringSplitOptions.TrimEntries);
        return [.. lines[(Array.IndexOf(lines, "{") + 1)..Array.LastIndexOf(lines, "ret;")]
            .Where(line => line.Length > 0 && !line.StartsWith(".reg", StringComparison.Ordinal))];
    }

    /// <summary>A kernel that a method writes.</summary>
    public static CompiledKernel Compile(Action<PtxWriter> write, int threadCount = 32)
    {
        PtxWriter writer = Writer(threadCount: threadCount);
        write(writer);
        string ptx = writer.Finish();
        (string name, IReadOnlyList<KernelParameter> parameters, int bytes) = PtxText.ReadEntry(ptx);
        return new CompiledKernel(name, name, ptx, [.. parameters.Zip(writer.ElementBytes,
            (parameter, elementBytes) => parameter with { ElementBytes = elementBytes })], bytes);
    }
}

using System.Collections.Concurrent;

namespace MsResampler.Cli.Ptx;

/// <summary>The assemblers of this machine. A text is assembled by the newest one that supports its target. Members may
/// be called from several threads.</summary>
internal sealed class Assemblers
{
    private readonly IReadOnlyList<PtxAssembler> _all = PtxAssembler.FindAll();
    private readonly ConcurrentDictionary<string, PtxAssembler?> _byTarget = [];

    /// <summary>Whether there is an assembler.</summary>
    public bool Any => _all.Count > 0;

    /// <summary>The targets for which a text was assembled, and the versions of the assemblers.</summary>
    public IEnumerable<(string Target, Version Version)> Found
        => _byTarget.Where(pair => pair.Value is not null).Select(pair => (pair.Key, pair.Value!.Version)).Order();

    /// <summary>The targets for which a text was not assembled.</summary>
    public IEnumerable<string> Missing
        => _byTarget.Where(pair => pair.Value is null).Select(pair => pair.Key).Order(StringComparer.Ordinal);

    /// <summary>Assembles a PTX file.</summary>
    /// <param name="file">The PTX file.</param>
    /// <param name="target">The target architecture, such as sm_80.</param>
    /// <param name="output">The file to write, or null.</param>
    /// <returns>The report, or null if no assembler supports the target.</returns>
    /// <exception cref="InputException">The assembler cannot be started, or reports an error.</exception>
    public PtxasReport? TryAssemble(string file, string target, string? output = null)
        => _byTarget.GetOrAdd(target, name => _all.FirstOrDefault(assembler => assembler.Knows(name)))
            ?.Assemble(file, target, output);
}

using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;

namespace MsResampler.Cli.Ptx;

/// <summary>The assemblers of this machine. A text is assembled by the newest one that supports its target. One that
/// cannot list its targets, such as a program for another system, is used for none as long as another one can. Members
/// may be called from several threads.</summary>
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
    /// <exception cref="InputException">No assembler can be started, or one reports an error.</exception>
    public PtxasReport? TryAssemble(string file, string target, string? output = null)
        => _byTarget.GetOrAdd(target, Find)?.Assemble(file, target, output);

    private PtxAssembler? Find(string target)
    {
        List<InputException> failures = [];
        foreach (PtxAssembler assembler in _all)
        {
            try
            {
                if (assembler.Knows(target))
                    return assembler;
            }
            catch (InputException exception)
            {
                failures.Add(exception);
            }
        }

        if (failures.Count > 0 && failures.Count == _all.Count)
            ExceptionDispatchInfo.Throw(failures[0]);
        return null;
    }
}

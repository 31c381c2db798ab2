namespace MsResampler.Cli.Photos;

/// <summary>The photos of a run.</summary>
/// <param name="Count">The photos of this worker, each once.</param>
/// <param name="DoneCount">Those that an earlier run has recorded.</param>
/// <param name="Remaining">The names of the others, in their order.</param>
internal sealed record PhotoPlan(int Count, int DoneCount, NameList Remaining)
{
    /// <summary>Selects the photos of a worker.</summary>
    /// <param name="names">The names of all photos; a name that comes again is ignored.</param>
    /// <param name="share">The worker.</param>
    /// <param name="isDone">Whether an earlier run has recorded a photo.</param>
    /// <param name="cancellationToken">Checked for every name.</param>
    public static PhotoPlan Create(IEnumerable<string> names, WorkShare share, Func<UInt128, bool> isDone,
        CancellationToken cancellationToken)
    {
        HashSet<UInt128> seen = [];
        NameList remaining = new();
        foreach (string name in names)
        {
            cancellationToken.ThrowIfCancellationRequested();
            UInt128 id = PhotoId.Of(name);
            if (share.Contains(id) && seen.Add(id) && !isDone(id))
                remaining.Add(name);
        }

        return new PhotoPlan(seen.Count, seen.Count - remaining.Count, remaining);
    }
}

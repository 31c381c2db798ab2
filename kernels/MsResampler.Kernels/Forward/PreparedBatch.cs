namespace MsResampler.Kernels.Forward;

/// <summary>A batch that is laid out in a workspace, with its forward passes. The workspace owns the memory.</summary>
/// <param name="batch">The batch.</param>
/// <param name="slot">The slot of its tables in the workspace's memory for tables.</param>
internal sealed class PreparedBatch(Batch batch, int slot) : IDisposable
{
    private readonly ForwardPass[] _passes = [.. Enum.GetValues<TokenTarget>().Select(_ => new ForwardPass())];

    public Batch Batch => batch;

    public int Slot => slot;

    /// <summary>Whether it is a batch of images of these grids.</summary>
    public bool Has(ReadOnlySpan<PatchGrid> grids)
    {
        if (grids.Length != batch.Plans.Count)
            return false;
        for (int image = 0; image < grids.Length; image++)
            if (grids[image] != batch.Plans[image].Grid)
                return false;
        return true;
    }

    /// <summary>The forward pass with a destination of its tokens.</summary>
    public ForwardPass PassFor(TokenTarget target) => _passes[(int)target];

    /// <summary>Disposes the graphs, after the stream's work.</summary>
    public void Dispose()
    {
        foreach (ForwardPass pass in _passes)
            pass.Dispose();
    }
}

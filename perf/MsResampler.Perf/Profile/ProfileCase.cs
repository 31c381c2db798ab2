namespace MsResampler.Perf.Profile;

/// <summary>A model, a batch, and the number of threads.</summary>
/// <param name="Shape">The shape, with separate or shared keys and values.</param>
/// <param name="Batch">Images in a call.</param>
/// <param name="Threads">Threads.</param>
internal sealed record ProfileCase(PeerShape Shape, int Batch, int Threads)
{
    public string Title => $"{Shape.Name}, {(Shape.ShareKeyValues ? "shared" : "separate")}, {Batch} " +
        $"image{(Batch == 1 ? "" : "s")}";

    public string Name => $"{Title}, {Threads} thread{(Threads == 1 ? "" : "s")}";
}

namespace MsResampler.Perf.Serving;

/// <summary>One load, and the library in the measuring process before and after it.</summary>
/// <param name="DelayMs">The server's batch delay.</param>
/// <param name="ConnectionCount">The number of connections.</param>
/// <param name="IsGrpc">Whether the requests are of gRPC.</param>
/// <param name="Rate">The load.</param>
/// <param name="LibraryImagesPerSecond">Images per second of the library with full batches.</param>
internal sealed record ServingRow(double DelayMs, int ConnectionCount, bool IsGrpc, ServingRate Rate,
    double LibraryImagesPerSecond)
{
    /// <summary>Images per second of the server as a share of those of the library.</summary>
    public double Share => Rate.ImagesPerSecond / LibraryImagesPerSecond;
}

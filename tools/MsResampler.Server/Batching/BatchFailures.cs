using MsResampler.Cli.Engines;
using MsResampler.Kernels;
using MsResampler.Server.Protocol;

namespace MsResampler.Server.Batching;

/// <summary>Turns the exceptions of a computation into those for clients, without paths and details of the server,
/// which are logged.</summary>
/// <param name="model">The name of the model.</param>
/// <param name="queue">The queue, which knows when a client may try again.</param>
/// <param name="logger">The log.</param>
internal sealed class BatchFailures(string model, RequestQueue queue, ILogger logger)
{
    /// <summary>Whether an exception can be due to one request of a batch, so that the others may succeed without
    /// it.</summary>
    public static bool AreOfRequest(Exception exception)
        => exception is InvalidFeaturesException or ActivationOverflowException or InvalidModelException
            or OutOfMemoryException or DeviceException { IsDeviceLost: false };

    /// <summary>Whether an exception means that only a new process can use the device again.</summary>
    public static bool IsDeviceLost(Exception exception) => exception is DeviceException { IsDeviceLost: true };

    /// <summary>The exception for the request of a slice that was computed alone.</summary>
    public ServerException OfRequest(Exception exception, BatchSlice slice) => exception switch
    {
        ActivationOverflowException overflow => Invalid(slice, overflow.ImageIndex, "expected features of the " +
            "usual size, found some that lead to values outside the range of " +
            $"{PrecisionChoice.NameOf(overflow.Precision)}; scale them", exception),
        InvalidFeaturesException invalid => Invalid(slice, invalid.ImageIndex, "expected finite features, found NaN " +
            "or infinity", exception),
        InvalidModelException => Invalid(slice, 0, "the model cannot be used with one of the patch grids of this " +
            "request", Log(exception)),
        _ => OfBatch(Log(exception)),
    };

    /// <summary>The exception for a picture that cannot be encoded.</summary>
    /// <param name="exception">The cause.</param>
    /// <param name="index">The index of the picture.</param>
    /// <param name="isOfPicture">Whether its size can be the reason.</param>
    public ServerException OfPicture(Exception exception, int index, bool isOfPicture) => isOfPicture
        ? new ServerException(ErrorKind.InvalidRequest, $"image {index}: expected a picture that the encoder can " +
            "encode, found one that it rejects; try another size", Log(exception))
        : OfBatch(Log(exception));

    /// <summary>The exception for a request of a batch that failed as a whole. Whoever calls it logs the
    /// cause.</summary>
    public ServerException OfBatch(Exception exception) => exception switch
    {
        OutOfMemoryException => queue.Busy("the server has too little memory for this request now; try again later"),
        DeviceException { IsDeviceLost: true } => DeviceLost(),
        DeviceException => queue.Busy("the device of the model has too little memory for this request now; try " +
            "again later"),
        _ => new ServerException(ErrorKind.Internal, "the server failed", exception),
    };

    /// <summary>The exception for every request after the device was lost.</summary>
    public ServerException DeviceLost()
        => new(ErrorKind.Unavailable, $"model '{model}': its device has failed, and the server must be restarted");

    private static ServerException Invalid(BatchSlice slice, int index, string problem, Exception exception)
        => new(ErrorKind.InvalidRequest,
            $"{slice.Request.Describe(slice.FirstGroup + Math.Max(index, 0))}: {problem}", exception);

    /// <summary>Logs a cause that clients do not see.</summary>
    /// <returns>The same exception.</returns>
    public Exception Log(Exception exception)
    {
        BatchingEvents.ComputationFailed(logger, model, exception);
        return exception;
    }
}

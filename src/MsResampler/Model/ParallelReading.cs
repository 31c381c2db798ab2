using System.Buffers;
using System.Runtime.ExceptionServices;

namespace MsResampler.Model;

/// <summary>Reads parts of a checkpoint on all processors.</summary>
internal static class ParallelReading
{
    /// <summary>Calls <paramref name="read"/> once for each part. Every thread has one buffer, which it
    /// reuses.</summary>
    /// <param name="partCount">The number of parts.</param>
    /// <param name="bufferLength">The minimum length of the buffer.</param>
    /// <param name="read">Reads a part. If it throws, the first exception is rethrown unchanged.</param>
    /// <param name="cancellationToken">Checked before every part.</param>
    public static void For<T>(int partCount, int bufferLength, Action<int, T[]> read,
        CancellationToken cancellationToken = default)
    {
        try
        {
            Parallel.For(0, partCount, new ParallelOptions { CancellationToken = cancellationToken },
                () => ArrayPool<T>.Shared.Rent(bufferLength),
                (part, _, buffer) =>
                {
                    read(part, buffer);
                    return buffer;
                },
                buffer => ArrayPool<T>.Shared.Return(buffer));
        }
        catch (AggregateException exception)
        {
            ExceptionDispatchInfo.Throw(exception.InnerExceptions[0]);
        }
    }
}

using System.Buffers;
using System.Text;

namespace MsResampler.Server.Hosting.Logging;

/// <summary>Writes lines to a stream from its own thread. A stream that is full, broken or that nobody reads costs
/// lines, but never stops or delays whoever writes one.</summary>
internal sealed class LogSink : IDisposable
{
    private const int MaxLineCount = 4096;
    private const int MaxWriteBytes = 1 << 16;

    private readonly Stream _stream;
    private readonly Func<long, string> _describeLost;
    private readonly Lock _lock = new();
    private readonly Queue<string> _lines = [];
    private readonly SemaphoreSlim _signal = new(0);
    private readonly ManualResetEventSlim _idle = new(initialState: true);
    private long _lostCount;
    private bool _isWriting;
    private volatile bool _isDisposed;

    /// <param name="stream">The stream.</param>
    /// <param name="describeLost">The line about a number of lost lines.</param>
    public LogSink(Stream stream, Func<long, string> describeLost)
    {
        (_stream, _describeLost) = (stream, describeLost);
        new Thread(Work) { IsBackground = true, Name = "log" }.Start();
    }

    /// <summary>Adds a line.</summary>
    public void Write(string line)
    {
        if (!TryAdd(line))
            Interlocked.Increment(ref _lostCount);
    }

    /// <summary>Waits until all lines are written.</summary>
    /// <returns>Whether they were within the time.</returns>
    public bool Flush(TimeSpan timeout) => _idle.Wait(timeout);

    public void Dispose()
    {
        _isDisposed = true;
        _signal.Release();
    }

    private bool TryAdd(string line)
    {
        lock (_lock)
        {
            if (_lines.Count >= MaxLineCount)
                return false;
            _lines.Enqueue(line);
            _idle.Reset();
            if (_isWriting)
                return true;
            _isWriting = true;
        }

        _signal.Release();
        return true;
    }

    private void Work()
    {
        ArrayBufferWriter<byte> buffer = new(MaxWriteBytes);
        while (true)
        {
            _signal.Wait();
            while (Take(buffer) is var count and > 0)
                Write(buffer, count);
            if (_isDisposed)
                return;
        }
    }

    /// <summary>Encodes the next lines.</summary>
    private int Take(ArrayBufferWriter<byte> buffer)
    {
        buffer.ResetWrittenCount();
        int count = 0;
        lock (_lock)
        {
            while (buffer.WrittenCount < MaxWriteBytes && _lines.TryDequeue(out string? line))
            {
                Encoding.UTF8.GetBytes(line, buffer);
                buffer.Write("\n"u8);
                count++;
            }

            if (count == 0)
            {
                _isWriting = false;
                _idle.Set();
            }
        }

        return count;
    }

    private void Write(ArrayBufferWriter<byte> buffer, int count)
    {
        long lost = Interlocked.Exchange(ref _lostCount, 0);
        try
        {
            _stream.Write(buffer.WrittenSpan);
            _stream.Flush();
        }
#pragma warning disable CA1031 // Whatever is wrong with the stream, the service goes on.
        catch (Exception)
#pragma warning restore CA1031
        {
            Interlocked.Add(ref _lostCount, lost + count);
            return;
        }

        if (lost > 0 && !TryAdd(_describeLost(lost)))
            Interlocked.Add(ref _lostCount, lost);
    }
}

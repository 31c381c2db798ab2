using System.Globalization;
using System.Text;
using MsResampler.Server.Hosting.Logging;

namespace MsResampler.Server.Tests.Hosting;

/// <summary>Lines that come faster than they are written.</summary>
internal sealed class LogSinkTests
{
    [Test]
    public void Every_line_is_written_or_counted_as_lost()
    {
        const int CountAtOnce = 10_000;
        const int BusyWriteCount = 3;
        int sentCount = 0, writeCount = 0;
        StringBuilder text = new();
        LogSink sink = null!;
        // While the stream is busy, more lines come than the sink keeps; so the line about lost lines has no room.
        using CallbackStream stream = new(bytes =>
        {
            text.Append(Encoding.UTF8.GetString(bytes));
            if (writeCount++ < BusyWriteCount)
                Send(CountAtOnce);
        });
        sink = new LogSink(stream, count => string.Create(CultureInfo.InvariantCulture, $"lost {count}"));
        using (sink)
        {
            Send(1);
            Assert.That(sink.Flush(ServerRun.Patience));
        }

        string[] lines = text.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        long[] lost = [.. lines.Where(line => line.StartsWith("lost ", StringComparison.Ordinal))
            .Select(line => long.Parse(line["lost ".Length..], CultureInfo.InvariantCulture))];
        Assert.That(lost, Is.Not.Empty);
        Assert.That(lines.Length - lost.Length + lost.Sum(), Is.EqualTo(sentCount));

        void Send(int count)
        {
            for (int index = 0; index < count; index++)
                sink.Write("line");
            Interlocked.Add(ref sentCount, count);
        }
    }

    private sealed class CallbackStream(Action<byte[]> written) : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer) => written(buffer.ToArray());
    }
}

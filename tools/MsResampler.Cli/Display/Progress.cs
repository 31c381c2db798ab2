using System.Diagnostics;

namespace MsResampler.Cli.Display;

/// <summary>The progress of a command over many items, with the rate and the time left.</summary>
/// <param name="label">The kind of the items.</param>
/// <param name="first">The number of items that were done before.</param>
/// <param name="count">The number of all items.</param>
/// <param name="maxBarLength">The longest text with a bar, for a line that is replaced: the bar is left out before
/// numbers are cut. 0 for no bar.</param>
/// <param name="show">Receives the text after each report; null if nothing is shown.</param>
internal sealed class Progress(string label, int first, int count, int maxBarLength, Action<int, string>? show)
{
    private const int BarWidth = 20;

    private readonly long _start = Stopwatch.GetTimestamp();

    /// <summary>Reports how many items are done.</summary>
    /// <param name="done">Those that were done before, and since.</param>
    /// <param name="note">A text after the numbers, or none.</param>
    public void Report(int done, string note = "")
        => show?.Invoke(done, Text(label, first, done, count, maxBarLength, Stopwatch.GetElapsedTime(_start), note));

    /// <summary>The numbers, the rate and the time left, such as "images: 1,000 of 2,000, 56/s, 18 s left"; with a bar
    /// "images [##########----------] 1,000 of 2,000, 56/s, 18 s left".</summary>
    internal static string Text(string label, int first, int done, int count, int maxBarLength, TimeSpan elapsed,
        string note)
    {
        string text = maxBarLength > 0 ? Text(label, first, done, count, hasBar: true, elapsed, note) : "";
        return text.Length > 0 && text.Length <= maxBarLength ? text
            : Text(label, first, done, count, hasBar: false, elapsed, note);
    }

    private static string Text(string label, int first, int done, int count, bool hasBar, TimeSpan elapsed, string note)
    {
        int filled = (int)((long)done * BarWidth / Math.Max(count, 1));
        string bar = hasBar ? $" [{new string('#', filled)}{new string('-', BarWidth - filled)}]" : ":";
        string text = $"{label}{bar} {Quantity.Count(done)} of {Quantity.Count(count)}";
        if (done > first && elapsed > TimeSpan.Zero)
        {
            double rate = (done - first) / elapsed.TotalSeconds;
            text += $", {Quantity.Digits(rate)}/s";
            if (done < count)
                text += $", {Left((count - done) / rate)} left";
        }

        return note.Length == 0 ? text : $"{text}, {note}";
    }

    private static string Left(double seconds)
    {
        const int SecondsPerMinute = 60;
        const int MinutesPerHour = 60;
        if (seconds < SecondsPerMinute)
            return $"{Quantity.Count((long)Math.Ceiling(seconds))} s";
        long minutes = (long)Math.Ceiling(seconds / SecondsPerMinute);
        return minutes < MinutesPerHour ? $"{minutes} min"
            : $"{Quantity.Count(minutes / MinutesPerHour)} h {minutes % MinutesPerHour} min";
    }
}

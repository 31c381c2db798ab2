using MsResampler.Cli.Native;

namespace MsResampler.Cli.Display;

/// <summary>One line of a terminal that is written over and over while a person waits. The cursor stays visible, so that
/// nothing has to be restored when the process is ended.</summary>
/// <param name="writer">The terminal.</param>
/// <param name="width">Its columns.</param>
internal sealed class StatusLine(TextWriter writer, int width)
{
    private const string StartAgain = "\r\u001b[2K";
    private const int DefaultWidth = 80;

    private readonly object _lock = new();
    private bool _isShown;

    /// <summary>What to write before a line on standard error that is not this one's: it removes the text.</summary>
    public static string Removal => IsTerminal ? StartAgain : "";

    private static bool IsTerminal => !Console.IsErrorRedirected
        && Environment.GetEnvironmentVariable("TERM") is not (null or "" or "dumb");

    /// <summary>Standard error, or null where it is no terminal.</summary>
    public static StatusLine? ForProcess()
    {
        if (!IsTerminal)
            return null;
        int width = DefaultWidth;
        try
        {
            width = Console.WindowWidth;
        }
        catch (IOException)
        {
            // A terminal that does not say how wide it is.
        }

        return new StatusLine(StandardStreams.Error, width > 1 ? width : DefaultWidth);
    }

    /// <summary>Shows a text in place of the one before.</summary>
    public void Show(string text)
    {
        lock (_lock)
        {
            writer.Write(StartAgain + (text.Length < width ? text : text[..(width - 1)]));
            writer.Flush();
            _isShown = true;
        }
    }

    /// <summary>Removes the text.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            if (!_isShown)
                return;
            writer.Write(StartAgain);
            writer.Flush();
            _isShown = false;
        }
    }
}
